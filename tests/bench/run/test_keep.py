"""Kept classifiers: chosen by validation, equal to their record, refused where there is nothing to choose."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.evidence.results import collect
from bench.records.record import Record
from bench.records.study import Row, Study
from bench.run import keep as module
from bench.run.keep import Kept, check_names, device_here, keep
from bench.run.runner import open_session, run_one
from bench.study.plan import PlannedRun
from gptcore.classifier import TextClassifier
from gptcore.data.datasets import Dataset, load_dataset
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds

RECIPE = Recipe(model="nano", train="last_layer", epochs=1)


@pytest.fixture(scope="module")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """40 short messages."""
    lines = [f"see you at {hour} then,ham\nwin {hour} free prizes now,spam" for hour in range(20)]
    path = tmp_path_factory.mktemp("data") / "messages.csv"
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return load_dataset(path)


@pytest.fixture(scope="module")
def runs(toy_data: Dataset) -> list[Record]:
    session = open_session(toy_data, "fast", "float32", "cpu")
    plan = [PlannedRun(("baseline",), RECIPE, i, Seeds(init=i, order=i), "todo") for i in (0, 1)]
    return [run_one(planned, session) for planned in plan]


def kept(name: str, study: Study, runs: list[Record], data: Dataset, folder: Path) -> Kept:
    return keep(name, collect(study, runs), data, folder, "cpu")


def study_of(toy_study: Callable[..., Study], runs: list[Record]) -> Study:
    return toy_study(
        [Row(name="baseline", recipe=RECIPE)], seeds=[run.seeds for run in runs], dataset=runs[0].dataset
    )


@pytest.mark.parametrize("name", ["baseline", "best"])
def test_the_seed_of_highest_validation_accuracy_is_fitted_again_and_saved(
    name: str, runs: list[Record], toy_data: Dataset, toy_study: Callable[..., Study], tmp_path: Path
) -> None:
    worse = runs[0].metrics.validation.model_copy(update={"accuracy": 0.0})  # type: ignore[union-attr]
    first = runs[0].model_copy(
        update={"metrics": runs[0].metrics.model_copy(update={"validation": worse})}  # type: ignore[union-attr]
    )
    found = kept(name, study_of(toy_study, runs), [first, runs[1]], toy_data, tmp_path)
    assert found == Kept(
        "baseline",
        tmp_path / "classifiers" / RECIPE.id,
        len(toy_data.test.texts),
        len(toy_data.test.texts),
    )
    classifier = TextClassifier.load(found.folder)
    names = [toy_data.label_names[i] for i in runs[1].test.predicted]  # type: ignore[union-attr]
    assert classifier.predict(toy_data.test.texts) == names


def test_what_a_cluster_did_on_gpus_is_fitted_again_on_what_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for here, expected in ((False, ["cpu", "cpu"]), (True, ["cpu", "cuda"])):
        monkeypatch.setattr(module, "has_cuda", lambda here=here: here)
        assert [device_here(device) for device in ("cpu", "cuda")] == expected


def test_predictions_that_differ_from_the_record_are_counted(
    runs: list[Record], toy_data: Dataset, toy_study: Callable[..., Study], tmp_path: Path
) -> None:
    other = []
    for run in runs:
        assert run.test
        turned = [1 - run.test.predicted[0], *run.test.predicted[1:]]
        other.append(run.model_copy(update={"test": run.test.model_copy(update={"predicted": turned})}))
    found = kept("baseline", study_of(toy_study, runs), other, toy_data, tmp_path)
    assert found.n_equal == found.n_test - 1


def test_what_is_not_there_is_refused(
    runs: list[Record], toy_data: Dataset, toy_study: Callable[..., Study], tmp_path: Path
) -> None:
    with pytest.raises(
        UserError, match=r"--keep 'lastlayer' is not a row of this study: did you mean last-layer"
    ):
        check_names(["best", "lastlayer"], ["baseline", "last-layer"])
    check_names(["best", "baseline"], ["baseline"])
    with pytest.raises(UserError, match="--keep baseline: baseline has no finished run"):
        kept("baseline", study_of(toy_study, runs), [], toy_data, tmp_path)
    with pytest.raises(UserError, match="--keep best: there is no best row yet"):
        kept("best", study_of(toy_study, runs), [], toy_data, tmp_path)
    assert not list(tmp_path.iterdir())
