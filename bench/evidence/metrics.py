"""How good the test predictions of a run are, beyond the share that is right: from a record alone."""

from __future__ import annotations

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
    confusion: (n_classes, n_classes) counts, true class by predicted class.
    """

    macro_f1: float
    balanced_accuracy: float
    roc_auc: float | None
    log_loss: float | None
    calibration_error: float
    confusion: tuple[tuple[int, ...], ...]


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
    from sklearn.metrics import confusion_matrix, f1_score, recall_score

    test = record.test
    present = sorted(set(test.labels))
    classes = range(len(record.dataset.label_names))
    confusion = confusion_matrix(test.labels, test.predicted, labels=list(classes))
    return PredictionMetrics(
        macro_f1=float(f1_score(test.labels, test.predicted, average="macro", zero_division=0.0)),
        # Balanced accuracy is the mean recall of the classes that have examples.
        balanced_accuracy=float(
            recall_score(test.labels, test.predicted, labels=present, average="macro", zero_division=0.0)
        ),
        roc_auc=_roc_auc(test, len(classes)),
        # The record has it from probabilities that were not rounded.
        log_loss=record.metrics.test.log_loss if record.metrics else None,
        calibration_error=calibration_error(reliability([test])),
        confusion=tuple(tuple(int(n) for n in line) for line in confusion),
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
        for number in range(1, n_bins + 1)
        if (inside := numbers == number).any()
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error (Guo et al. 2017, section 2): mean |accuracy - confidence| of the predictions."""
    return sum(b.n * abs(b.accuracy - b.confidence) for b in bins) / sum(b.n for b in bins)


def _confidence(test: Predictions) -> np.ndarray:
    """(n,) probability of the predicted class."""
    return np.array([row[chosen] for row, chosen in zip(test.probabilities, test.predicted, strict=True)])


def _roc_auc(test: Predictions, n_classes: int) -> float | None:
    from sklearn.metrics import roc_auc_score

    if len(set(test.labels)) < n_classes or n_classes < 2:
        return None
    probabilities = np.array(test.probabilities)
    if n_classes == 2:
        return float(roc_auc_score(test.labels, probabilities[:, 1]))
    one_hot = np.equal.outer(test.labels, np.arange(n_classes))
    return float(roc_auc_score(one_hot, probabilities, average="macro"))
