"""Metrics that are no mean over texts, as one value for each text: what leaving it out would change.

The values' mean is the metric itself, and their variance over the number of texts is its jackknife variance (Tukey
1958; Efron and Stein 1981). So whatever is known of means over texts, of pairs of them and of texts that seeds share,
holds for these metrics as well. Where texts have groups, whole groups are left out: sums of the values by group, with
the factor G / (G - 1), give the variance of that jackknife. Where a group holds all texts
of a class, what is left is averaged over the other classes, as the rest knows nothing of it; how little one group says
of a class is in `Answers.size`. Classes are otherwise those of the whole test part, also where a text was the only one.
"""

from __future__ import annotations

import numpy as np


def balanced_accuracy_values(
    labels: np.ndarray, predicted: np.ndarray, groups: np.ndarray | None = None
) -> np.ndarray:
    """(n,) values whose mean is the mean recall of the classes that have examples.

    labels, predicted: (n,) int; groups: (n,), None: each text is left out by itself.
    """
    unit = _units(labels, groups)
    right = labels == predicted
    n_of, n_right = np.bincount(labels), np.bincount(labels, right)
    n_classes = int((n_of > 0).sum())
    recall = n_right / np.maximum(n_of, 1)
    entries, at = _entries(unit, labels, len(n_of))
    of, kind = np.divmod(entries, len(n_of))
    n_left = n_of[kind] - np.bincount(at)
    without = (n_right[kind] - np.bincount(at, right)) / np.maximum(n_left, 1)
    metric = float(recall.sum()) / n_classes
    changes = np.bincount(of, (without - recall[kind]) / n_classes)
    if groups is not None:
        changes = _over_the_rest(metric, changes, n_classes, np.bincount(of, n_left == 0))
    return _values(metric, changes, unit)


def macro_f1_values(
    labels: np.ndarray, predicted: np.ndarray, groups: np.ndarray | None = None
) -> np.ndarray:
    """(n,) values whose mean is the mean F1 of the classes that are an example's or a prediction's. As above."""
    unit = _units(labels, groups)
    size = int(max(labels.max(), predicted.max())) + 1
    twice, stands = np.concatenate([unit, unit]), np.concatenate([labels, predicted])
    hit = np.concatenate([labels == predicted, np.zeros(len(labels), dtype=bool)])
    both, hits = np.bincount(stands, minlength=size), np.bincount(stands, hit, minlength=size)
    n_classes = int((both > 0).sum())
    whole = 2 * hits / np.maximum(both, 1)
    entries, at = _entries(twice, stands, size)
    of, kind = np.divmod(entries, size)
    left = both[kind] - np.bincount(at)
    without = 2 * (hits[kind] - np.bincount(at, hit)) / np.maximum(left, 1)
    metric = float(whole.sum()) / n_classes
    if groups is None:
        return _values(metric, np.bincount(of, (without - whole[kind]) / n_classes), unit)
    n_true = np.bincount(labels, minlength=size)[kind]
    true = np.arange(len(stands)) < len(labels)
    gone = (left == 0) | ((n_true > 0) & (n_true == np.bincount(at, true)))
    changes = np.bincount(of, (np.where(gone, 0, without) - whole[kind]) / n_classes)
    return _values(metric, _over_the_rest(metric, changes, n_classes, np.bincount(of, gone)), unit)


def _units(labels: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """(n,) what is left out together with each text, numbered from 0."""
    if groups is None:
        return np.arange(len(labels))
    return np.unique(groups, return_inverse=True)[1]


def _entries(unit: np.ndarray, kind: np.ndarray, n_kinds: int) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of unit and class that occur, as unit * n_kinds + class, and which one each (unit, kind) is."""
    found, at = np.unique(unit * n_kinds + kind, return_inverse=True)
    return found, at


def _over_the_rest(metric: float, changes: np.ndarray, n_classes: int, n_gone: np.ndarray) -> np.ndarray:
    """(u,) changes of the mean over the classes that are left. n_gone: (u,) classes that stand in the unit alone."""
    return np.asarray((metric + changes) * n_classes / np.maximum(n_classes - n_gone, 1) - metric)


def _values(metric: float, changes: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """changes: (u,) of the metric where a unit is left out; its deviation is shared among its texts."""
    sizes = np.bincount(unit)
    u, n = len(sizes), len(unit)
    deviation = (u - 1) / u * n / sizes * (changes.mean() - changes)
    return np.asarray(metric + deviation[unit])
