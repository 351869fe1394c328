"""Metrics of records against scikit-learn, and what a record must hold."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from bench.evidence.metric import ACCURACY, METRICS, size_of
from bench.evidence.metrics import metrics_of
from bench.evidence.scale import LOG_OF_LOSS, LOGIT
from bench.evidence.score import score_interval
from bench.evidence.unsteady import unsteady
from bench.records.record import Predictions, Record
from gptcore.metric_names import MetricName

LOG_LOSS = METRICS["log-loss"]


def record_of(rows: ModuleType, seed: int = 0, shift: float = 0.0, **changes: Any) -> Record:
    """300 texts of two classes, 10% of the second, predicted from noisy scores."""
    random = np.random.default_rng(seed)
    labels = (np.arange(300) < 30).astype(int)
    chance = 1 / (1 + np.exp(-(3 * labels - 1.8 + shift + random.normal(0, 1, 300))))
    probabilities = np.stack([1 - chance, chance], axis=1)
    losses = -np.log(probabilities[np.arange(300), labels])
    predicted = (chance > 0.5).astype(int)
    bare = rows.make_row("row", [[]]).done[0]
    test = bare.metrics.test.model_copy(
        update={"log_loss": float(losses.mean()), "accuracy": float((predicted == labels).mean())}
    )
    fields = {
        "labels": labels.tolist(),
        "predicted": predicted.tolist(),
        "probabilities": probabilities.round(6).tolist(),
        "losses": losses.round(6).tolist(),
    }
    return bare.model_copy(
        update={
            "metrics": bare.metrics.model_copy(update={"test": test}),
            "test": Predictions(**fields | changes),
        }
    )


def test_scores_are_those_of_scikit_learn(rows: ModuleType) -> None:
    record = record_of(rows)
    assert record.test is not None
    labels, predicted = record.test.labels, record.test.predicted
    found = {name: metric.score(record) for name, metric in METRICS.items()}
    assert found["macro-f1"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert found["balanced-accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert found["log-loss"] == pytest.approx(-log_loss(labels, record.test.probabilities), abs=1e-5)
    assert found["accuracy"] == pytest.approx(np.mean(np.equal(labels, predicted)))
    beside = metrics_of(record)
    assert beside is not None
    assert (found["macro-f1"], found["balanced-accuracy"]) == pytest.approx(
        (beside.macro_f1, beside.balanced_accuracy)
    )


def test_scores_without_looking_at_the_text() -> None:
    shares, labels = np.array([0.7, 0.2, 0.1]), np.repeat([0, 1, 2], [70, 20, 10])
    always = np.zeros(100, dtype=int)
    assert METRICS["macro-f1"].constant(shares) == pytest.approx(f1_score(labels, always, average="macro"))
    assert METRICS["balanced-accuracy"].constant(shares) == pytest.approx(
        balanced_accuracy_score(labels, always)
    )
    assert LOG_LOSS.constant(shares) == pytest.approx(-log_loss(labels, np.tile(shares, (100, 1))))
    assert ACCURACY.constant(shares) == pytest.approx(0.7)


def test_a_small_class_makes_a_test_part_count_for_less(rows: ModuleType) -> None:
    assert size_of(np.array([270, 30])) == 60
    assert size_of(np.array([150, 150])) == 300
    assert size_of(np.array([250, 50, 0])) == 100
    answers = METRICS["macro-f1"].answers_of(record_of(rows))
    assert answers is not None
    assert answers.size == 60


def test_older_records_give_log_loss_where_rounding_has_lost_nothing(rows: ModuleType) -> None:
    whole = LOG_LOSS.score(record_of(rows))
    assert LOG_LOSS.score(record_of(rows, losses=None)) == pytest.approx(whole, abs=1e-4)
    sure = record_of(rows, losses=None)
    assert sure.test is not None
    broken = [*sure.test.probabilities]
    broken[0] = [1.0, 0.0]  # the right class has a probability below half a millionth
    assert LOG_LOSS.score(record_of(rows, losses=None, probabilities=broken)) is None
    other = [[0.5, 0.5]] * 300  # not those that the run's own log-loss is of
    assert LOG_LOSS.score(record_of(rows, losses=None, probabilities=other)) is None
    kept = {
        "classes": [[k] for k in sure.test.predicted],
        "probabilities": [[max(p)] for p in sure.test.probabilities],
    }
    assert LOG_LOSS.score(record_of(rows, losses=None, **kept)) is None


def test_losses_must_be_of_the_texts(rows: ModuleType) -> None:
    with pytest.raises(ValueError, match="losses must be those of the labels"):
        record_of(rows, losses=[0.1])


@pytest.mark.parametrize("name", ["macro-f1", "balanced-accuracy", "log-loss"])
@pytest.mark.parametrize("n_seeds", [1, 5])
def test_a_rows_interval_holds_its_score_and_stays_within_bounds(
    rows: ModuleType, name: str, n_seeds: int
) -> None:
    metric = METRICS[name]  # type: ignore[index]
    records = [record_of(rows, seed) for seed in range(n_seeds)]
    bounds = score_interval(records, metric)
    assert bounds is not None
    mean = float(np.mean([metric.score(record) for record in records]))
    assert bounds[0] < mean < bounds[1]
    assert bounds[1] <= (0 if name == "log-loss" else 1)
    if n_seeds == 5:
        answers = [metric.answers_of(record) for record in records]
        spread = np.mean([one.values.var(ddof=1) / 300 for one in answers if one]) ** 0.5
        assert 1.5 * spread < bounds[1] - bounds[0] < 8 * spread


def test_an_interval_needs_what_the_metric_needs(rows: ModuleType) -> None:
    records = [record_of(rows, 0), record_of(rows, 1, losses=None, probabilities=[[1.0, 0.0]] * 300)]
    assert score_interval(records, LOG_LOSS) is None


def test_seeds_that_fail_by_the_metric_are_marked(rows: ModuleType) -> None:
    """One seed that answers the large class alone: 90% accurate, macro-F1 of 47%."""
    from dataclasses import replace

    good = rows.make_row("row", [[]] * 5)
    runs = tuple(record_of(rows, seed) for seed in range(4))
    fails = record_of(rows, 9, shift=-4.0)
    found = unsteady(replace(good, runs=(*runs, fails)), 0.05, METRICS["macro-f1"])
    assert found is not None
    assert found.lowest == METRICS["macro-f1"].score(fails)
    assert unsteady(replace(good, runs=runs), 0.05, METRICS["macro-f1"]) is None


@pytest.mark.parametrize("name", ["macro-f1", "balanced-accuracy"])
def test_a_class_that_stands_in_one_group_leaves_the_score_open(rows: ModuleType, name: MetricName) -> None:
    """However many texts it has, and however good the row seems: nothing is known of the class in other groups."""
    labels = (np.arange(300) < 30).astype(int)
    predicted = labels.copy()
    predicted[40] = 1
    groups = np.where(labels == 1, 0, np.arange(300) % 20)
    found = {"predicted": predicted.tolist(), "losses": None}
    many, one = (
        [record_of(rows, groups=each.tolist(), **found) for _ in range(3)]
        for each in (np.arange(300) % 20, groups)
    )
    answers = METRICS[name].answers_of(one[0])
    assert answers is not None
    assert answers.size == pytest.approx(2)
    narrow, wide = score_interval(many, METRICS[name]), score_interval(one, METRICS[name])
    assert narrow is not None
    assert wide is not None
    assert narrow[0] > 0.75
    assert 0 <= wide[0] < 0.5 < wide[1] <= 1


def test_an_interval_that_is_wider_than_numbers_reaches_the_bounds() -> None:
    assert LOGIT.score_at(-1e6) == 0
    assert LOGIT.score_at(1e6) == 1
    assert LOG_OF_LOSS.score_at(-1e6) == -np.inf
