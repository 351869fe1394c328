"""What a study's folder says of its runs and workers, while other processes write into it."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean

import pytest

from bench.evidence.metric import METRICS
from bench.records.events import Ended, EpochEnded, EventLog, Started
from bench.records.record import Record
from bench.records.store import save_record, save_study
from bench.records.stored import record_path
from bench.records.study import Study
from bench.run.snapshot import Snapshot, Trials
from bench.run.watch import Watcher, study_folder, trials_of
from gptcore.errors import UserError
from gptcore.locks import is_held, lock
from gptcore.metric_names import MetricName

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path, study: Study, records: list[Record]) -> Path:
    """A study of which the first two seeds have run."""
    save_study(tmp_path, study)
    for record in records:
        if record.seed_index < 2:
            save_record(tmp_path, record)
    return tmp_path


@pytest.fixture
def first(study: Study) -> str:
    """The run of the baseline with the last seed."""
    return f"{study.rows[0].recipe.id}-s2"


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def look(folder: Path) -> Snapshot:
    return Watcher(folder).look(NOW)


def test_runs_are_counted_once_whatever_rows_share_them(folder: Path, records: list[Record]) -> None:
    found = look(folder)
    seen = [record for record in records if record.seed_index < 2]
    done = sum(record.status == "done" for record in seen)
    assert found.n_runs == 27 * 3  # 28 rows, of which two share a recipe
    assert found.counts == {"done": done, "failed": 1, "skipped": 2 * 3}
    assert found.failed == (("full-context seed 1", "RuntimeError: loss became nan at step 41"),)
    assert found.n_left == found.n_runs - len(seen)
    assert (found.current, found.eta_s, found.is_running) == ((), None, False)
    assert not found.is_over
    assert replace(found, n_runs=len(seen)).is_over


def test_rows_are_ranked_by_their_mean(folder: Path, records: list[Record], study: Study) -> None:
    by_name = {row.name: row for row in look(folder).rows}
    lora = study.row("lora").recipe.id
    mine = [
        r.metrics.test.accuracy for r in records if r.recipe_id == lora and r.seed_index < 2 and r.metrics
    ]
    assert by_name["lora"].score == pytest.approx(sum(mine) / 2)
    accuracies = [row.score for row in look(folder).rows]
    assert accuracies == sorted(accuracies, reverse=True)


@pytest.mark.parametrize("name", ["macro-f1", "log-loss"])
def test_rows_are_ranked_by_the_metric_of_the_study(
    folder: Path, records: list[Record], study: Study, name: MetricName
) -> None:
    save_study(folder, study.model_copy(update={"metric": name}))
    found = look(folder).rows
    assert [row.score for row in found] == sorted((row.score for row in found), reverse=True)
    for row in found:
        recipe = study.row(row.name).recipe.id
        mine = [r for r in records if r.recipe_id == recipe and r.seed_index < 2 and r.status == "done"]
        assert row.score == pytest.approx(fmean(METRICS[name].score(record) for record in mine))


def test_a_study_that_ended_before_its_last_seed_is_over(folder: Path, study: Study) -> None:
    assert not look(folder).is_over
    save_study(folder, study.model_copy(update={"ended": "every comparison is decided"}))
    found = look(folder)
    assert found.n_left
    assert found.is_over


def test_a_run_begun_and_not_left_is_running_while_its_lock_is_held(folder: Path, first: str) -> None:
    log = EventLog(folder, "w1")
    log.append(Started(at=ago(2000), run_id=first))
    log.append(EpochEnded(at=ago(1000), run_id=first, epoch=2, validation_accuracy=0.9))
    with lock(folder, first):
        (current,) = look(folder).current
        assert (current.run.name, current.worker, current.epoch) == (
            "baseline, ignore-index seed 2",
            "w1",
            2,
        )
        assert (current.running_s, current.silent_s) == (2000, 1000)
        assert current.is_alive
        assert look(folder).eta_s is not None
    (current,) = look(folder).current
    assert not current.is_alive  # killed: nobody holds the lock, and it has been silent for long
    assert look(folder).eta_s is None


def test_a_fresh_event_counts_where_locks_do_not_reach(folder: Path, first: str) -> None:
    EventLog(folder, "w1").append(Started(at=ago(20), run_id=first))
    assert look(folder).is_running


def test_a_lock_without_events_is_a_running_run(folder: Path, first: str) -> None:
    with lock(folder, first):
        (current,) = look(folder).current
        assert (current.worker, current.is_alive) == (None, True)


def test_events_are_read_once(folder: Path, first: str) -> None:
    watcher, log = Watcher(folder), EventLog(folder, "w1")
    log.append(Started(at=ago(20), run_id=first))
    assert watcher.look(NOW).current[0].epoch is None
    log.path.write_bytes(b"x" * (log.path.stat().st_size - 1) + b"\n")
    log.append(EpochEnded(at=ago(10), run_id=first, epoch=1, validation_accuracy=0.9))
    found = watcher.look(NOW)
    assert [(run.epoch, run.running_s) for run in found.current] == [(1, 20)]
    assert found.n_unknown == 0
    assert look(folder).n_unknown == 1


def test_workers_have_their_own_throughput(folder: Path, study: Study) -> None:
    names = [f"{row.recipe.id}-s0" for row in study.rows[:3]]
    log = EventLog(folder, "w1")
    for i, name in enumerate(names):
        log.append(Started(at=ago(360 - 60 * i), run_id=name))
        log.append(Ended(at=ago(300 - 60 * i), run_id=name, status="done"))
    (worker,) = look(folder).workers
    assert (worker.n_ended, worker.per_hour, worker.is_alive) == (3, pytest.approx(60), False)


def test_a_run_that_another_worker_did_again_is_not_running(folder: Path, study: Study) -> None:
    EventLog(folder, "killed").append(Started(at=ago(30), run_id=f"{study.rows[0].recipe.id}-s0"))
    assert look(folder).current == ()


def test_the_time_left_is_that_of_the_recipes_shared_by_workers(
    folder: Path, study: Study, records: list[Record]
) -> None:
    tfidf, lora = study.row("tf-idf").recipe.id, study.row("lora").recipe.id
    one = study.model_copy(
        update={"rows": [study.row("baseline"), study.row("all-layers"), study.row("lora")]}
    )
    save_study(folder, one)
    times = {
        name: [r.cost.marginal_s for r in records if r.recipe_id == name and r.seed_index < 2 and r.cost]
        for name in (row.recipe.id for row in one.rows)
    }
    EventLog(folder, "w1").append(Started(at=ago(10), run_id=f"{lora}-s2"))
    expected = sum(sum(found) / 2 for found in times.values()) - 10
    assert look(folder).eta_s == pytest.approx(expected)
    assert tfidf not in times


def test_damaged_files_are_named_and_other_data_is_left_out(
    folder: Path, study: Study, first: str, toy_record: Callable[..., Record]
) -> None:
    n_done = look(folder).counts["done"]
    record_path(folder, first).write_text("{")
    other = toy_record(study.rows[1].recipe, 2)
    save_record(folder, other)
    found = look(folder)
    (damaged,) = found.damaged
    assert first in damaged
    assert found.counts["done"] == n_done


def test_a_record_is_read_again_only_where_it_has_changed(
    folder: Path, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.run import watch as module

    watcher = Watcher(folder)
    before = watcher.look(NOW)
    monkeypatch.setattr(module, "load_run", lambda _run: pytest.fail("read again"))
    assert watcher.look(NOW) == before
    monkeypatch.undo()
    save_record(folder, next(record for record in records if record.seed_index == 2))
    assert watcher.look(NOW).n_left == before.n_left - 1


def test_looking_writes_nothing(folder: Path) -> None:
    def state() -> set[tuple[str, int]]:
        return {(str(path), path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}

    before = state()
    look(folder)
    assert state() == before


def test_a_lock_is_seen_without_being_taken_away(tmp_path: Path) -> None:
    assert is_held(tmp_path, "a") is False
    with lock(tmp_path, "a"):
        assert is_held(tmp_path, "a") is True
        with lock(tmp_path, "a") as mine:
            assert not mine
    assert is_held(tmp_path, "a") is False


def test_the_study_that_changed_last_is_the_default(
    tmp_path: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no study in results"):
        study_folder(None)
    for name, at in (("old", 1), ("new", 2)):
        save_study(Path("results") / name, study)
        os.utime(f"results/{name}/study.json", (at, at))
    assert study_folder(None) == Path("results/new")
    assert study_folder(Path("old")) == Path("results/old")
    assert study_folder(tmp_path) == tmp_path


def test_a_study_of_several_data_sets_lies_one_level_deeper(
    tmp_path: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, at in (("old", 1), ("a-b/a", 2), ("a-b/b", 3)):
        save_study(Path("results") / name, study)
        os.utime(f"results/{name}/study.json", (at, at))
    assert study_folder(None) == Path("results/a-b/b")
    for asked in ("a-b", "results/a-b", "a-b/b"):
        assert study_folder(Path(asked)) == Path("results/a-b/b")
    assert study_folder(Path("a-b/a")) == Path("results/a-b/a")
    assert study_folder(Path("old")) == Path("results/old")


def test_trials_are_seen_before_the_study_has_a_manifest(
    tmp_path: Path, study: Study, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("results/mine")
    assert trials_of(folder) is None
    save_record(folder / "tuning", records[0])
    with lock(folder / "tuning", records[1].run_id):
        assert trials_of(study_folder(None)) == Trials("mine", 1, (records[1].run_id,))
    assert trials_of(folder) == Trials("mine", 1, ())
    save_study(folder, study)
    assert trials_of(folder) is None
