"""Metrics that are no mean over texts, as one value for each text: what leaving it out would change.

The values' mean is the metric itself, and their variance over the number of texts is its jackknife variance (Tukey
1958; Efron and Stein 1981). So whatever is known of means over texts, of pairs of them and of texts that seeds share,
holds for these metrics as well. Classes are those of the whole test part, also where one text was the only one of its.
"""

from __future__ import annotations

import numpy as np


def balanced_accuracy_values(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(n,) values whose mean is the mean recall of the classes that have examples. labels, predicted: (n,) int."""
    cells, of_text, counts = _cells(labels, predicted)
    truth, right = cells[:, 0], cells[:, 0] == cells[:, 1]
    n_classes = len(np.unique(truth))
    n_of, n_right = np.bincount(truth, counts), np.bincount(truth, counts * right)
    recall = n_right / np.maximum(n_of, 1)
    without = (n_right[truth] - right) / np.maximum(n_of[truth] - 1, 1)
    return _values(float(recall.sum()) / n_classes, (without - recall[truth]) / n_classes, of_text)


def macro_f1_values(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(n,) values whose mean is the mean F1 of the classes that are an example's or a prediction's."""
    cells, of_text, counts = _cells(labels, predicted)
    truth, said = cells[:, 0], cells[:, 1]
    right = truth == said
    size = int(cells.max()) + 1
    hits = np.bincount(truth, counts * right, minlength=size)
    both = np.bincount(truth, counts, minlength=size) + np.bincount(said, counts, minlength=size)
    n_classes = int((both > 0).sum())

    def f1(hits: np.ndarray, both: np.ndarray) -> np.ndarray:
        return np.asarray(2 * hits / np.maximum(both, 1))

    whole = f1(hits, both)
    # A right answer stands in one class twice, a wrong one in two classes once.
    of_truth = f1(hits[truth] - right, both[truth] - 1 - right) - whole[truth]
    of_said = np.where(right, 0.0, f1(hits[said], both[said] - 1) - whole[said])
    return _values(float(whole.sum()) / n_classes, (of_truth + of_said) / n_classes, of_text)


def _cells(labels: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs (class, prediction) that occur (c, 2), which one each text is (n,), and how many are (c,)."""
    n_classes = int(max(labels.max(), predicted.max())) + 1
    codes, of_text, counts = np.unique(
        labels * n_classes + predicted, return_inverse=True, return_counts=True
    )
    return np.stack(np.divmod(codes, n_classes), axis=1), of_text, counts


def _values(metric: float, changes: np.ndarray, of_text: np.ndarray) -> np.ndarray:
    """changes: (c,) of the metric where a text of that cell is left out."""
    change = changes[of_text]
    return np.asarray(metric + (len(change) - 1) * (change.mean() - change))
