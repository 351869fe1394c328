"""What the terminal says before any run: of cut texts, and of runs that were made elsewhere."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bench import commands
from bench.commands.progress import console, show_cut_texts, warn_of_mixture
from bench.records.record import Environment, Record
from bench.run.executors.base import Executor
from bench.run.study_run import StudyRun
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.recipe import Recipe, Seeds
from gptcore.result import CutTexts


def said(*runs: tuple[Recipe, CutTexts | None]) -> str:
    plan = [PlannedRun(("row",), recipe, 0, Seeds(), "todo") for recipe, _ in runs]
    predictions = {run.run_id: Prediction(1.0, 1, cut) for run, (_, cut) in zip(plan, runs, strict=True)}
    with console.capture() as capture:
        show_cut_texts(cast(StudyRun, SimpleNamespace(plan=plan, records={})), predictions)
    return " ".join(capture.get().split())


NANO, MINI, TFIDF = Recipe(model="nano"), Recipe(model="mini"), Recipe(model="tfidf")
MUCH, LITTLE = CutTexts(120, 120, 256), CutTexts(1, 1494, 64)


def test_models_that_cut_alike_share_a_line() -> None:
    assert said((NANO, MUCH), (MINI, MUCH)) == (
        "warning: 120 of 120 texts (100%) are longer than 256 tokens and are truncated by nano, mini"
    )
    assert said((NANO, MUCH), (MINI, LITTLE)).count("texts (") == 2


def test_the_worst_of_a_models_recipes_counts() -> None:
    assert "120 of 120" in said((NANO, LITTLE), (NANO.model_copy(update={"lr": 1.0}), MUCH))


def test_single_texts_are_no_warning_and_none_are_no_line() -> None:
    assert said((NANO, LITTLE)).startswith("1 of 1,494 texts (0.067%)")
    assert said((NANO, CutTexts(0, 9, 9)), (TFIDF, None)) == ""


def test_tfidf_reads_whole_texts() -> None:
    assert "TF-IDF reads whole texts" in said((NANO, MUCH), (TFIDF, None))


MakeRecord = Callable[..., Record]


def told_of(done: list[tuple[Recipe, Environment]], here: dict[str, Environment], record: MakeRecord) -> str:
    """What is said of finished runs of these recipes and environments. here: where a model's runs are done now."""
    records = {str(i): record(recipe=recipe, environment=place) for i, (recipe, place) in enumerate(done)}
    plan = [PlannedRun(("row",), recipe, 9, Seeds(), "todo") for recipe, _ in done]
    executor = SimpleNamespace(environment=lambda recipe: here.get(recipe.model))
    study_run = SimpleNamespace(plan=plan, records=records, folder=Path("study"))
    with console.capture() as capture:
        warn_of_mixture(cast(StudyRun, study_run), cast(Executor, executor))
    return " ".join(capture.get().split())


@pytest.fixture
def places(toy_record: MakeRecord) -> tuple[Environment, Environment]:
    """Of a study with a GPU: that of TF-IDF, and that of models."""
    place = toy_record().environment
    return tuple(
        place.model_copy(update={"device": device, "threads": threads, "jobs": jobs})
        for device, threads, jobs in (("cpu", 1, 16), ("cuda", 8, 2))
    )


def test_a_study_of_several_kinds_of_run_is_no_mixture(
    places: tuple[Environment, Environment], toy_record: MakeRecord
) -> None:
    cpu, gpu = places
    assert told_of([(TFIDF, cpu), (NANO, gpu)], {"tfidf": cpu, "nano": gpu}, toy_record) == ""
    assert told_of([(TFIDF, cpu), (NANO, gpu)], {"tfidf": cpu}, toy_record) == ""  # of nano nothing is known


def test_a_run_is_compared_with_its_own_kind(
    places: tuple[Environment, Environment], toy_record: MakeRecord
) -> None:
    cpu, gpu = places
    told = told_of([(TFIDF, cpu), (NANO, cpu)], {"tfidf": cpu, "nano": gpu}, toy_record)
    assert "other conditions (device cpu, here cuda; threads 1, here 8; jobs 16, here 2)" in told


def test_what_is_different_in_several_kinds_is_told_of_each(
    places: tuple[Environment, Environment], toy_record: MakeRecord
) -> None:
    cpu, gpu = places
    before = [
        (recipe, place.model_copy(update={"threads": 4})) for recipe, place in ((TFIDF, cpu), (NANO, gpu))
    ]
    versions = {**gpu.versions, "torch": "1.0"}
    before.append((MINI, gpu.model_copy(update={"versions": versions, "threads": 2})))
    told = told_of(before, {"tfidf": cpu, "nano": gpu, "mini": gpu}, toy_record)
    assert f"(threads 4, here 1; threads 2 and 4, here 8; torch 1.0, here {gpu.versions['torch']})" in told


def test_no_command_writes_to_standard_error_but_by_show_progress() -> None:
    files = Path(commands.__file__).parent.glob("*.py")
    assert [file.name for file in files if "err=True" in file.read_text(encoding="utf-8")] == []
