"""Metrics as one value for each text, against scikit-learn with each text left out in turn."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

from bench.evidence.jackknife import balanced_accuracy_values, macro_f1_values


def macro_f1(labels: np.ndarray, predicted: np.ndarray, classes: np.ndarray) -> float:
    return float(f1_score(labels, predicted, labels=classes, average="macro", zero_division=0.0))


def balanced_accuracy(labels: np.ndarray, predicted: np.ndarray, classes: np.ndarray) -> float:
    return float(recall_score(labels, predicted, labels=classes, average="macro", zero_division=0.0))


def by_brute_force(
    metric: Callable[..., float], labels: np.ndarray, predicted: np.ndarray, classes: np.ndarray
) -> tuple[float, float]:
    """The metric and its jackknife variance, (n - 1) / n times the squares around the mean of those without one."""
    n = len(labels)
    without = np.array([metric(np.delete(labels, i), np.delete(predicted, i), classes) for i in range(n)])
    return metric(labels, predicted, classes), float((n - 1) / n * ((without - without.mean()) ** 2).sum())


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("metric", ["macro-f1", "balanced-accuracy"])
def test_values_have_the_metric_as_mean_and_its_jackknife_variance(n_classes: int, metric: str) -> None:
    random = np.random.default_rng(n_classes)
    shares = np.array([0.6] + [0.4 / (n_classes - 1)] * (n_classes - 1))
    labels = random.choice(n_classes, 60, p=shares)
    predicted = np.where(random.random(60) < 0.7, labels, random.integers(0, n_classes, 60))
    if metric == "macro-f1":
        values, classes = macro_f1_values(labels, predicted), np.unique([labels, predicted])
        expected = by_brute_force(macro_f1, labels, predicted, classes)
        assert expected[0] == pytest.approx(f1_score(labels, predicted, average="macro"))
    else:
        values, classes = balanced_accuracy_values(labels, predicted), np.unique(labels)
        expected = by_brute_force(balanced_accuracy, labels, predicted, classes)
        assert expected[0] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert values.mean() == pytest.approx(expected[0])
    assert values.var(ddof=1) / 60 == pytest.approx(expected[1])


@pytest.mark.parametrize("metric", ["macro-f1", "balanced-accuracy"])
def test_with_groups_whole_groups_are_left_out(metric: str) -> None:
    random = np.random.default_rng(7)
    groups = np.repeat(np.arange(9), [3, 5, 8, 12, 4, 6, 9, 2, 11])[random.permutation(60)]
    labels = np.where(groups == 4, 2, (random.random(60) < 0.3).astype(int))
    predicted = np.where(random.random(60) < 0.7, labels, random.integers(0, 3, 60))
    values_of, score = {
        "macro-f1": (macro_f1_values, macro_f1),
        "balanced-accuracy": (balanced_accuracy_values, balanced_accuracy),
    }[metric]
    classes = np.unique([labels, predicted] if metric == "macro-f1" else labels)
    values = values_of(labels, predicted, groups)
    alone = [classes[np.isin(classes, labels) & ~np.isin(classes, labels[groups != g])] for g in range(9)]
    assert any(
        map(len, alone)
    )  # a class that stands in one group alone is not counted where that is left out
    without = np.array(
        [
            score(labels[groups != g], predicted[groups != g], np.setdiff1d(classes, alone[g]))
            for g in range(9)
        ]
    )
    sums = np.bincount(groups, values - values.mean()) / 60
    assert values.mean() == pytest.approx(score(labels, predicted, classes))
    assert 9 / 8 * sums @ sums == pytest.approx(8 / 9 * ((without - without.mean()) ** 2).sum())


def test_of_equal_classes_balanced_accuracy_is_nearly_a_mean_of_right_answers() -> None:
    labels = np.arange(400) % 2
    predicted = np.where(np.random.default_rng(0).random(400) < 0.9, labels, 1 - labels)
    values = balanced_accuracy_values(labels, predicted)
    right = (labels == predicted).astype(float)
    assert values.mean() == pytest.approx(right.mean())
    assert values.var() == pytest.approx(right.var(), rel=0.05)


def test_a_prediction_of_a_class_without_examples_counts_against_f1() -> None:
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    assert macro_f1_values(labels, predicted).mean() == pytest.approx(
        f1_score(labels, predicted, average="macro")
    )


def test_a_class_of_one_text_adds_variance_and_no_error() -> None:
    labels = np.array([0] * 20 + [1])
    for predicted in (labels, np.zeros_like(labels)):
        for values in (macro_f1_values(labels, predicted), balanced_accuracy_values(labels, predicted)):
            assert np.isfinite(values).all()
    assert macro_f1_values(labels, labels).var() > 0.1
