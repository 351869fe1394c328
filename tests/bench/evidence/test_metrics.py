"""Metrics of records, against scikit-learn and against what can be counted by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from bench.evidence.metrics import calibration_error, metrics_of, reliability
from bench.records.record import Predictions, Record
from tests.bench.toys import make_metrics

MakeRecord = Callable[..., Record]


def predictions(n: int, n_classes: int, seed: int = 0) -> Predictions:
    """Of a classifier that is often right and too sure; probabilities are rounded as a record's are."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, n_classes, n)
    labels[:n_classes] = np.arange(n_classes)
    logits = random.normal(0, 2, (n, n_classes)) + 3 * np.equal.outer(labels, np.arange(n_classes))
    shares = np.exp(logits)
    shares /= shares.sum(axis=1, keepdims=True)
    return Predictions(
        labels=labels.tolist(),
        predicted=shares.argmax(axis=1).tolist(),
        probabilities=shares.round(6).tolist(),
    )


def record_of(make: MakeRecord, test: Predictions, names: tuple[str, ...]) -> Record:
    dataset = make().dataset.model_copy(update={"label_names": names, "test_label_counts": (1,) * len(names)})
    return make(test=test, dataset=dataset, metrics=make_metrics(len(test.labels), 0, 0.25))


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c", "d")], ids=["two classes", "four classes"])
def test_metrics_are_scikit_learns(toy_record: MakeRecord, names: tuple[str, ...]) -> None:
    test = predictions(200, len(names))
    found = metrics_of(record_of(toy_record, test, names))
    assert found is not None
    truth, guess, shares = np.array(test.labels), np.array(test.predicted), np.array(test.probabilities)
    assert found.macro_f1 == pytest.approx(sk.f1_score(truth, guess, average="macro"))
    assert found.balanced_accuracy == pytest.approx(sk.balanced_accuracy_score(truth, guess))
    whole = shares / shares.sum(axis=1, keepdims=True)
    expected = (
        sk.roc_auc_score(truth, shares[:, 1])
        if len(names) == 2
        else sk.roc_auc_score(truth, whole, multi_class="ovr")
    )
    assert found.roc_auc == pytest.approx(expected, abs=1e-4)
    counts = np.zeros((len(names), len(names)), int)
    for pair, n in found.confusion.items():
        counts[pair] = n
    assert np.array_equal(counts, sk.confusion_matrix(truth, guess))
    assert [found.n_of_class(c) for c in range(len(names))] == np.bincount(truth).tolist()
    assert found.log_loss == 0.25


def test_calibration_error_is_that_of_scikit_learns_bins() -> None:
    test = predictions(500, 3)
    confidence = np.max(test.probabilities, axis=1)
    right = np.equal(test.labels, test.predicted)
    accuracy, mean = calibration_curve(right, confidence, n_bins=10, strategy="uniform")
    counts = np.histogram(confidence, np.linspace(0, 1, 11))[0]
    expected = (abs(accuracy - mean) * counts[counts > 0]).sum() / 500
    assert calibration_error(reliability([test])) == pytest.approx(expected)
    assert expected > 0.01


def test_reliability_pools_the_runs_it_is_given() -> None:
    first, second = predictions(60, 2, seed=1), predictions(90, 2, seed=2)
    bins = reliability([first, second])
    assert sum(b.n for b in bins) == 150
    right = sum(np.equal(t.labels, t.predicted).sum() for t in (first, second))
    assert sum(b.n * b.accuracy for b in bins) == pytest.approx(right)


def test_sure_and_always_right_is_calibrated() -> None:
    test = Predictions(labels=[0, 1], predicted=[0, 1], probabilities=[[1.0, 0.0], [0.0, 1.0]])
    assert calibration_error(reliability([test])) == 0.0
    wrong = Predictions(labels=[1, 0], predicted=[0, 1], probabilities=[[1.0, 0.0], [0.0, 1.0]])
    assert calibration_error(reliability([wrong])) == 1.0


def test_a_class_without_test_examples_has_no_roc_auc(toy_record: MakeRecord) -> None:
    test = Predictions(labels=[0, 0, 1], predicted=[0, 2, 1], probabilities=[[0.6, 0.2, 0.2]] * 3)
    found = metrics_of(record_of(toy_record, test, ("a", "b", "c")))
    assert found is not None
    assert found.roc_auc is None
    assert found.balanced_accuracy == pytest.approx(0.75)
    assert found.confusion == {(0, 0): 1, (0, 2): 1, (1, 1): 1}


def test_a_run_without_predictions_has_no_metrics(toy_record: MakeRecord) -> None:
    assert metrics_of(toy_record()) is None
