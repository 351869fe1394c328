"""What a record keeps of predictions, and that nothing is lost where only the largest probabilities are kept."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from bench.evidence.metrics import metrics_of, reliability
from bench.records.record import Predictions, Record
from bench.run import predictions as module
from bench.run.predictions import predictions_of
from gptcore.training.evaluate import Evaluation

N_CLASSES = 12


@pytest.fixture
def evaluation() -> Evaluation:
    random = np.random.default_rng(0)
    labels = np.arange(240) % N_CLASSES
    logits = random.normal(0, 2, (240, N_CLASSES)) + 3 * np.equal.outer(labels, np.arange(N_CLASSES))
    logits[:5] = 0  # ties: the first class is predicted
    shares = np.exp(logits)
    return Evaluation(labels, shares / shares.sum(axis=1, keepdims=True))


def test_of_few_classes_every_probability_is_kept(evaluation: Evaluation) -> None:
    kept = predictions_of(evaluation, np.arange(240))
    assert np.array_equal(kept.probabilities, evaluation.probabilities.round(6))
    single = replace(evaluation, probabilities=evaluation.probabilities.astype(np.float32))
    assert len(predictions_of(single, None).model_dump_json()) <= len(kept.model_dump_json())
    assert (kept.classes, kept.roc_auc) == (None, None)
    assert kept.examples == list(range(240))


def test_groups_are_kept_where_there_are_any(evaluation: Evaluation) -> None:
    assert predictions_of(evaluation, None).groups is None
    groups = [i // 3 for i in range(240)]
    assert predictions_of(evaluation, np.arange(240), groups).groups == groups


def test_metrics_are_the_same_where_only_the_largest_are_kept(
    evaluation: Evaluation, toy_record: Callable[..., Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = toy_record().dataset.model_copy(
        update={"label_names": tuple("abcdefghijkl"), "test_label_counts": (20,) * N_CLASSES}
    )
    whole = predictions_of(evaluation, None)
    monkeypatch.setattr(module, "ALL_CLASSES", N_CLASSES - 1)
    monkeypatch.setattr(module, "KEPT", 3)
    few = predictions_of(evaluation, None)
    assert np.shape(few.probabilities) == (240, 3)
    assert few.predicted == whole.predicted
    assert np.allclose(
        np.take_along_axis(evaluation.probabilities, np.array(few.classes), 1), few.probabilities, atol=1e-6
    )
    assert reliability([few]) == reliability([whole])
    one, other = (metrics_of(toy_record(test=test, dataset=dataset)) for test in (few, whole))
    assert one is not None
    assert other is not None
    assert one.roc_auc == pytest.approx(
        other.roc_auc, abs=1e-6
    )  # the whole one is from rounded probabilities
    assert {**vars(one), "roc_auc": None} == {**vars(other), "roc_auc": None}
    assert Predictions.model_validate_json(few.model_dump_json()) == few


KEPT = {"labels": [4], "predicted": [7], "probabilities": [[0.6, 0.3]], "classes": [[7, 4]]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": [[7]]}, "classes must be those of the probabilities"),
        ({"classes": [[4, 7]]}, "the first of the classes must be the predicted one"),
        ({"labels": [-1]}, "labels and predicted must be numbers of classes"),
    ],
)
def test_classes_that_do_not_fit_are_refused(change: dict[str, object], message: str) -> None:
    assert Predictions.model_validate(KEPT).classes == [[7, 4]]
    with pytest.raises(ValidationError, match=message):
        Predictions.model_validate(KEPT | change)


def test_classes_that_the_dataset_does_not_have_are_refused(toy_record: Callable[..., Record]) -> None:
    with pytest.raises(ValidationError, match="numbers of the dataset's classes"):
        toy_record(test=Predictions.model_validate(KEPT))  # toy data have two classes
