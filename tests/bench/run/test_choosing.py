"""The choice of values in a study's folder: what stands, what is tried again, what it takes of a budget."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.records.record import Record
from bench.records.store import load_records, save_record, save_study
from bench.records.study import Row, Study
from bench.run.same_study import StudyOn
from bench.run.tune import FOLDER, Choosing
from bench.study.matrix import Tune
from bench.study.plan import PlannedRun
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from tests.bench.toys import make_cost, make_metrics

MakeRecord = Callable[..., Record]
ROWS = [Row(name="baseline", recipe=Recipe(epochs=1))]
TUNE = Tune.model_validate({"lr": [1e-4, 1e-3]})


@pytest.fixture
def on(toy_record: MakeRecord) -> StudyOn:
    return StudyOn(toy_record().dataset.source_fingerprint, "fast", {})


def choosing(folder: Path, on: StudyOn, retry_failed: bool = False) -> Choosing:
    return Choosing(folder, ROWS, TUNE, 123, on, retry_failed)


def save(folder: Path, make: MakeRecord, run: PlannedRun, correct: int | None, **changes: object) -> None:
    """A trial's record: so many of 100 right, or failed."""
    if correct is None:
        save_record(folder / FOLDER, make(run.recipe, status="failed", reason="killed", **changes))
        return
    figures = {"metrics": make_metrics(100, correct, 0.5), "cost": make_cost(30.0)}
    save_record(folder / FOLDER, make(run.recipe, **figures, **changes))


def save_choice(folder: Path, chosen: Choosing, make_study: Callable[..., Study]) -> None:
    save_study(folder, make_study(ROWS).model_copy(update={"tuned": list(chosen.now().rows)}))


def test_failed_trials_are_done_again_once(tmp_path: Path, on: StudyOn, toy_record: MakeRecord) -> None:
    first, second = choosing(tmp_path, on).now().todo
    save(tmp_path, toy_record, first, 80)
    save(tmp_path, toy_record, second, None)
    assert choosing(tmp_path, on).now().rows[0].values == {"lr": 1e-4}
    again = choosing(tmp_path, on, retry_failed=True)
    assert [run.run_id for run in again.now().todo] == [second.run_id] == list(again.again)
    save(tmp_path, toy_record, second, None, created_at="2026-01-01T00:00:00Z")
    assert not again.now().todo
    assert again.now().rows[0].values == {"lr": 1e-4}
    assert len(again.failures()) == 1
    once_more = choosing(tmp_path, on, retry_failed=True)
    save(tmp_path, toy_record, second, 90)
    assert once_more.now().rows[0].values == {"lr": 1e-3}


def test_a_choice_with_a_failed_trial_may_be_made_again_before_the_first_run(
    tmp_path: Path, on: StudyOn, toy_record: MakeRecord, toy_study: Callable[..., Study]
) -> None:
    first, second = choosing(tmp_path, on).now().todo
    save(tmp_path, toy_record, first, 80)
    save(tmp_path, toy_record, second, None)
    save_choice(tmp_path, choosing(tmp_path, on), toy_study)
    assert not choosing(tmp_path, on).now().todo
    assert [run.run_id for run in choosing(tmp_path, on, retry_failed=True).now().todo] == [second.run_id]
    save_record(tmp_path, toy_record(Recipe(epochs=1, lr=1e-4)))
    stands = choosing(tmp_path, on, retry_failed=True).now()
    assert not stands.todo
    assert stands.rows[0].values == {"lr": 1e-4}


def test_a_choice_without_failed_trials_stands(
    tmp_path: Path, on: StudyOn, toy_record: MakeRecord, toy_study: Callable[..., Study]
) -> None:
    for run in choosing(tmp_path, on).now().todo:
        save(tmp_path, toy_record, run, 80)
    save_choice(tmp_path, choosing(tmp_path, on), toy_study)
    for path in (tmp_path / FOLDER / "runs").glob("*.json"):
        path.unlink()
    assert not load_records(tmp_path / FOLDER)
    assert not choosing(tmp_path, on, retry_failed=True).now().todo


def test_trials_count_towards_a_budget(tmp_path: Path, on: StudyOn, toy_record: MakeRecord) -> None:
    first, second = choosing(tmp_path, on).now().todo
    save(tmp_path, toy_record, first, 80)
    jobs = toy_record().environment.model_copy(update={"jobs": 2})
    save(tmp_path, toy_record, second, 80, environment=jobs)
    assert choosing(tmp_path, on).left_s(100) == 100 - 30 - 15
    with pytest.raises(UserError, match="--budget of 40 s: trials have taken 45 s of it: raise it"):
        choosing(tmp_path, on).left_s(40)
    save(tmp_path, toy_record, second, None, failed_s=50.0)
    assert choosing(tmp_path, on).left_s(100) == 100 - 30 - 50


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"source_fingerprint": "z" * 64}, "trials on other data"),
        ({"engine": "plain"}, "trials of the fast engine"),
    ],
)
def test_trials_of_another_study_are_refused(
    tmp_path: Path, on: StudyOn, toy_record: MakeRecord, other: dict, said: str
) -> None:
    save(tmp_path, toy_record, choosing(tmp_path, on).now().todo[0], 80)
    changed = StudyOn(
        **({"source_fingerprint": on.source_fingerprint, "engine": "fast", "checkpoints": {}} | other)
    )
    with pytest.raises(UserError, match=f"{said}.*choose another folder with --out, or remove it"):
        choosing(tmp_path, changed).now()
