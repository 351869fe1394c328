"""How good the test predictions of a run are, beyond the share that is right: from a record alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.records.record import Predictions, Record

N_BINS = 10


@dataclass(frozen=True)
class PredictionMetrics:
    """Metrics of one run's test predictions; averages over classes weigh each class alike.

    macro_f1, balanced_accuracy: 0 to 1; roc_auc: 0 to 1, of two classes the second against the first, of more
    the mean of each against the rest, None where a class has no test example; log_loss: nats;
    calibration_error: expected calibration error, 0 to 1 (see `reliability`);
    confusion: (true class, predicted class) -> test examples, for the pairs that occur.
    """

    macro_f1: float
    balanced_accuracy: float
    roc_auc: float | None
    log_loss: float | None
    calibration_error: float
    confusion: dict[tuple[int, int], int]

    def n_of_class(self, truth: int) -> int:
        """Test examples of a class."""
        return sum(n for (true_class, _), n in self.confusion.items() if true_class == truth)


@dataclass(frozen=True)
class Bin:
    """Predictions of similar confidence: how many, how sure on average, and how many of them were right."""

    n: int
    confidence: float
    accuracy: float


def metrics_of(record: Record) -> PredictionMetrics | None:
    """The metrics of a finished run, as scikit-learn computes them; None without its predictions."""
    if record.test is None:
        return None
    test = record.test
    macro_f1, balanced_accuracy = _over_classes(test.labels, test.predicted)
    return PredictionMetrics(
        macro_f1=macro_f1,
        balanced_accuracy=balanced_accuracy,
        roc_auc=_stored_or_computed_roc_auc(test),
        # The record has it from probabilities that were not rounded.
        log_loss=record.metrics.test.log_loss if record.metrics else None,
        calibration_error=calibration_error(reliability([test])),
        confusion=dict(sorted(Counter(zip(test.labels, test.predicted, strict=True)).items())),
    )


def reliability(tests: list[Predictions], n_bins: int = N_BINS) -> list[Bin]:
    """All predictions by their confidence, the probability of the predicted class, in bins of equal width.

    Bins are (0, 1/n_bins], (1/n_bins, 2/n_bins], ...; those without predictions are left out.
    """
    confidence = np.concatenate([_confidence(test) for test in tests])
    right = np.concatenate([np.equal(test.labels, test.predicted) for test in tests])
    numbers = np.clip(np.ceil(confidence * n_bins).astype(int), 1, n_bins)
    return [
        Bin(int(inside.sum()), float(confidence[inside].mean()), float(right[inside].mean()))
        for inside in (numbers == number for number in np.unique(numbers))
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error (Guo et al. 2017, section 2): mean |accuracy - confidence| of the predictions."""
    return sum(b.n * abs(b.accuracy - b.confidence) for b in bins) / sum(b.n for b in bins)


def roc_auc(labels: Sequence[int] | np.ndarray, probabilities: np.ndarray) -> float | None:
    """ROC-AUC of labels (n,) and probabilities (n, n_classes), as in PredictionMetrics."""
    n_classes = probabilities.shape[1]
    if len(np.unique(labels)) < n_classes or n_classes < 2:
        return None
    classes = np.arange(n_classes)[1 if n_classes == 2 else 0 :]
    return float(_areas(np.asarray(labels), classes, probabilities[:, classes]).mean())


def _areas(labels: np.ndarray, classes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(k,) ROC-AUC of each of k classes against the rest: the Mann-Whitney statistic over the number of pairs.

    labels: (n,), every class occurs; classes: (k,); probabilities: (n, k). scikit-learn computes the same far more
    slowly, and a report has as many of these as runs.
    """
    one_hot = np.equal.outer(labels, classes)  # (n, k)
    n = one_hot.sum(axis=0)
    ranks = np.stack([_average_ranks(column) for column in probabilities.T], axis=1)
    above = (ranks * one_hot).sum(axis=0) - n * (n + 1) / 2
    return np.asarray(above / (n * (len(labels) - n)))


def _average_ranks(values: np.ndarray) -> np.ndarray:
    """(n,) ranks of (n,) values from 1; equal values share the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[which])


def _over_classes(labels: Sequence[int], predicted: Sequence[int]) -> tuple[float, float]:
    """Macro F1, the mean over classes that occur; balanced accuracy, the mean recall of those that have examples."""
    classes, found = np.unique([labels, predicted], return_inverse=True)
    truth, guess = found.reshape(2, -1)
    n_true, n_guessed, right = (
        np.bincount(which, minlength=len(classes)) for which in (truth, guess, truth[truth == guess])
    )
    there = n_true > 0
    return float((2 * right / (n_true + n_guessed)).mean()), float((right[there] / n_true[there]).mean())


def _stored_or_computed_roc_auc(test: Predictions) -> float | None:
    if test.classes is not None:
        return test.roc_auc
    return roc_auc(test.labels, np.array(test.probabilities))


def _confidence(test: Predictions) -> np.ndarray:
    """(n,) probability of the predicted class."""
    probabilities = np.asarray(test.probabilities)
    if test.classes is not None:  # the predicted one is the first
        return probabilities[:, 0]
    return np.asarray(probabilities[np.arange(len(probabilities)), test.predicted])
