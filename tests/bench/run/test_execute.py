"""A plan becomes records, whoever else is at the same folder; how a run is computed is not asked here."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bench.records.record import Environment, Record
from bench.records.store import load_records, save_record
from bench.run import claims, tries
from bench.run import execute as module
from bench.run.execute import execute
from bench.run.executors.base import (
    Began,
    CannotWork,
    Ended,
    Event,
    Job,
    JobEnded,
    JobLost,
    OutOfMemory,
    Refused,
)
from bench.run.outcome import RefusedRunError
from bench.run.worker import SessionSpec
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun, State
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.locks import lock
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Epoch

TEXTS = [f"text {i}" for i in range(20)], ["ham", "spam"] * 10
ERROR = JobLost("its worker failed: OSError: no space", error=True)
BEFORE = JobLost("its machine went away before it began")
LOST = JobLost("its machine was lost")
NO_MEMORY = JobLost("out of memory", out_of_memory=True)
MakeRecord = Callable[..., Record]


class Study:
    """Runs of a toy plan, which take no time, and what was heard of them."""

    def __init__(self, folder: Path, toy_record: MakeRecord) -> None:
        self.folder, self.toy_record = folder, toy_record
        self.heard: list[str] = []
        self.reported: list[int] = []
        self.on_wait: Callable[[], None] = lambda: None
        self.during: Callable[[PlannedRun], None] = lambda _run: None
        self.status = "done"
        self.jobs: list[Job] = []
        self.shares_folder = False
        self.place: Environment | None = toy_record().environment
        self.spec = SessionSpec(Dataset.from_texts(*TEXTS), "fast", "float32", "cpu")
        self.lost: list[JobLost] = []  # what happens to the next jobs, the last first
        self.memory: list[int | None] = []  # what jobs have asked for
        self.more: list[bool] = []  # whether they were to get more than others
        self.kills = False
        self.lacks_memory: list[str] = []  # as a worker that saves records says of the next runs
        self.together = False  # all runs are one job

    def run(self, planned: PlannedRun) -> Event:
        try:
            self.during(planned)
        except RefusedRunError as error:
            return Refused(planned.run_id, str(error))
        if self.lacks_memory:
            return OutOfMemory(planned.run_id, self.lacks_memory.pop())
        return Ended(
            self.record(planned.seed_index, status=self.status), self.status == "failed" and self.kills
        )

    def record(self, seed_index: int, **changes: object) -> Record:
        return self.toy_record(seed_index=seed_index, **changes)

    def go(self, *plan: PlannedRun) -> list[str]:
        """The statuses of what was to do."""
        seen = load_records(self.folder)
        return list(execute(plan, self.folder, seen, self, self).values())

    # an executor: one job at a time

    def environment(self, recipe: Recipe) -> Environment | None:
        return self.place and self.place.model_copy(update={"cpu": f"that of {recipe.id}"})

    def room(self) -> int:
        return 1 - len(self.jobs)

    def group(self, runs: Sequence[PlannedRun], _predictions: object) -> list[tuple[PlannedRun, ...]]:
        return [tuple(runs)] if self.together else [(run,) for run in runs]

    def submit(self, jobs: Sequence[Job], _seen: object) -> None:
        self.jobs += jobs

    def events(self, _timeout_s: float) -> list[tuple[int, Event]]:
        job = self.jobs.pop()
        self.memory.append(job.memory_bytes)
        self.more.append(job.more_memory)
        run = job.runs[0]
        began = [Began(run.run_id)] * (not self.lost or self.lost[-1] != BEFORE)
        if self.lost:
            self.during(run)
            return [(job.number, event) for event in (*began, self.lost.pop())]
        done = [event for run in job.runs for event in (Began(run.run_id), self.run(run))]
        return [(job.number, event) for event in (*done, JobEnded())]

    # a listener

    def start(self, run: PlannedRun) -> None:
        self.heard.append(f"start {run.seed_index}")

    def epoch(self, run: PlannedRun, epoch: Epoch) -> None:
        raise AssertionError(run, epoch)

    def retry(self, run: PlannedRun, reason: str) -> None:
        self.heard.append(f"retry {run.seed_index}: {reason}")

    def end(self, run: PlannedRun, record: Record) -> None:
        self.heard.append(f"{record.status} {run.seed_index}")

    def refuse(self, run: PlannedRun, reason: str) -> None:
        self.heard.append(f"refused {run.seed_index}: {reason}")

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        self.heard.append(f"wait for {len(runs)}")
        self.on_wait()

    def seed(self, seed_index: int) -> None:
        self.reported.append(seed_index)


@pytest.fixture
def study(tmp_path: Path, toy_record: MakeRecord, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setattr(module, "WAIT_S", 0.001)
    return Study(tmp_path / "study", toy_record)


def planned(seed_index: int, state: State = "todo") -> PlannedRun:
    return PlannedRun(("baseline",), Recipe(), seed_index, Seeds(), state)


def test_what_is_to_do_is_done_and_nothing_is_left_behind(study: Study) -> None:
    plan = [planned(0, "done"), planned(1, "failed"), planned(2), planned(3, "blocked")]
    assert study.go(*plan) == ["done", "done"]
    assert study.heard == ["start 2", "done 2", "start 3", "done 3"]
    assert [record.seed_index for record in load_records(study.folder).values()] == [2, 3]
    assert list((study.folder / "locks").iterdir()) == []


def test_a_seed_is_reported_once_its_last_run_has_ended_and_others_are_left(study: Study) -> None:
    study.go(planned(0, "done"), planned(1), planned(2, "blocked"), planned(3), planned(4))
    assert study.reported == [1, 3]  # the end of the study has its own report


def test_a_failed_run_is_kept_and_the_next_goes_on(study: Study) -> None:
    study.status = "failed"
    assert study.go(planned(0), planned(1)) == ["failed", "failed"]
    assert len(load_records(study.folder)) == 2


def test_a_refused_run_leaves_no_record_and_the_others_are_done(study: Study) -> None:
    def refuse(run: PlannedRun) -> None:
        if run.seed_index == 0:
            raise RefusedRunError("change the context")

    study.during = refuse
    with pytest.raises(RefusedRunError, match=r"^change the context$"):
        study.go(planned(0), planned(1))
    assert study.heard == ["start 0", "refused 0: change the context", "start 1", "done 1"]
    assert [record.seed_index for record in load_records(study.folder).values()] == [1]
    assert list((study.folder / "locks").iterdir()) == []


def test_interrupted_finished_runs_stay_and_the_next_call_does_the_rest(study: Study) -> None:
    def interrupt(run: PlannedRun) -> None:
        if run.seed_index == 2:
            raise KeyboardInterrupt

    study.during = interrupt
    with pytest.raises(KeyboardInterrupt):
        study.go(*map(planned, range(4)))
    kept = load_records(study.folder)
    assert [record.seed_index for record in kept.values()] == [0, 1]
    assert list((study.folder / "locks").iterdir()) == []
    study.during = lambda _run: None
    assert study.go(planned(0, "done"), planned(1, "done"), planned(2), planned(3)) == ["done", "done"]


def test_a_run_that_another_is_at_is_left_to_it(study: Study) -> None:
    run_id = planned(0).run_id
    theirs = study.record(0, reason="by another")

    def other_finishes() -> None:
        save_record(study.folder, theirs)
        held.__exit__(None, None, None)

    study.on_wait = other_finishes
    held = lock(study.folder, run_id)
    assert held.__enter__()
    assert study.go(planned(0), planned(1)) == ["done", "done"]
    assert study.heard == ["start 1", "done 1", "wait for 1", "done 0"]
    assert load_records(study.folder)[run_id] == theirs


def test_a_run_whose_owner_dies_is_taken_over(study: Study) -> None:
    held = lock(study.folder, planned(0).run_id)
    assert held.__enter__()
    study.on_wait = lambda: held.__exit__(None, None, None)
    assert study.go(planned(0)) == ["done"]
    assert study.heard == ["wait for 1", "start 0", "done 0"]


@pytest.mark.parametrize("status", ["done", "failed"])
def test_what_another_did_since_the_plan_was_made_is_not_done_again(study: Study, status: str) -> None:
    theirs = study.record(1, status=status, reason="by another")
    study.during = lambda run: save_record(study.folder, theirs) and None if run.seed_index == 0 else None
    assert study.go(planned(0), planned(1)) == ["done", status]
    assert study.heard == ["start 0", "done 0", f"{status} 1"]
    assert load_records(study.folder)[theirs.run_id] == theirs


def test_what_another_could_not_do_is_done(study: Study) -> None:
    theirs = study.record(1, status="skipped", reason="not enough memory")
    study.during = lambda run: save_record(study.folder, theirs) and None if run.seed_index == 0 else None
    assert study.go(planned(0), planned(1)) == ["done", "done"]


def test_why_a_run_is_skipped_is_written_once(study: Study) -> None:
    blocked = PlannedRun(("baseline",), Recipe(), 0, Seeds(), "blocked", "no weights")
    theirs = study.record(0, status="skipped", reason="no weights")
    save_record(study.folder, theirs)
    study.status = "skipped"
    assert study.go(blocked) == ["skipped"]
    assert study.heard == ["skipped 0"]
    other = PlannedRun(("baseline",), Recipe(), 0, Seeds(), "blocked", "not enough memory")
    assert study.go(other) == ["skipped"]
    assert study.heard == ["skipped 0", "start 0", "skipped 0"]


def test_a_failed_run_that_is_to_do_is_done_again(study: Study) -> None:
    save_record(study.folder, study.record(0, status="failed"))
    assert study.go(planned(0)) == ["done"]


def test_a_run_whose_machine_is_lost_is_done_elsewhere_and_the_others_of_its_job_too(study: Study) -> None:
    study.together, study.lost = True, [LOST]
    assert study.go(planned(0), planned(1), planned(2)) == ["done"] * 3
    assert study.heard[:2] == ["start 0", "retry 0: its machine was lost"]
    assert sorted(study.heard[2:]) == [f"{what} {seed}" for what in ("done", "start") for seed in range(3)]


def test_a_job_that_is_lost_before_it_began_is_done(study: Study) -> None:
    study.lost = [BEFORE]
    assert study.go(planned(0)) == ["done"]
    assert study.heard == [f"retry 0: {BEFORE.reason}", "start 0", "done 0"]


def test_a_run_that_loses_machine_after_machine_fails(study: Study) -> None:
    study.lost = [LOST] * tries.LOST_TRIES
    assert study.go(planned(0), planned(1)) == ["failed", "done"]
    failed = load_records(study.folder)[planned(0).run_id]
    assert (failed.reason, failed.environment) == (LOST.reason, study.environment(planned(0).recipe))
    assert list((study.folder / "locks").iterdir()) == []


def test_a_run_whose_lost_machines_nobody_knows_fails_and_the_others_go_on(study: Study) -> None:
    study.shares_folder, study.place = True, None
    study.lost = [LOST] * tries.LOST_TRIES
    assert study.go(planned(0), planned(1)) == ["failed", "done"]
    failed = load_records(study.folder)[planned(0).run_id]
    assert (failed.reason, failed.environment.cpu, failed.environment.device) == (
        LOST.reason,
        "unknown",
        "unknown",
    )


def test_a_run_that_was_lost_once_its_record_was_there_has_not_failed(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "LOST_TRIES", 1)
    study.shares_folder, study.lost = True, [LOST]
    of_a_worker = study.record(0, reason="by a worker")
    study.during = lambda _run: save_record(study.folder, of_a_worker) and None
    assert study.go(planned(0)) == ["done"]
    assert load_records(study.folder)[of_a_worker.run_id] == of_a_worker


def test_without_memory_a_run_is_tried_once_more_with_twice_as_much(study: Study) -> None:
    plan = [planned(0), planned(1)]
    found = {run.run_id: Prediction(1.0, 100) for run in plan}
    study.lost = [NO_MEMORY]
    ended = execute(plan, study.folder, {}, study, study, found)
    assert list(ended.values()) == ["done", "done"]
    assert (study.memory, study.more) == ([100, 200, 100], [False, True, False])
    study.lost, study.memory = [NO_MEMORY, NO_MEMORY], []
    execute([planned(2)], study.folder, {}, study, study, {planned(2).run_id: Prediction(1.0, 7)})
    record = load_records(study.folder)[planned(2).run_id]
    assert (record.status, record.reason, study.memory) == ("failed", "out of memory", [7, 14])


def test_lost_machines_and_lack_of_memory_are_counted_apart(study: Study) -> None:
    study.lost = [NO_MEMORY, LOST, LOST, LOST]
    assert study.go(planned(0)) == ["done"]
    assert study.more == [False, False, False, False, True]


def test_the_time_of_failed_tries_is_recorded(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    now, at_once = [0.0], study.events
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def slowly(timeout_s: float) -> Iterator[tuple[int, Event]]:
        for number, event in at_once(timeout_s):
            yield number, event
            now[0] += 10 * isinstance(event, Began)

    monkeypatch.setattr(study, "events", slowly)
    study.lost = [LOST, LOST]
    study.go(planned(0))
    study.lost = [ERROR] * tries.LOST_TRIES
    study.go(planned(1))
    study.lost = [BEFORE]
    study.go(planned(2))
    failed_s = [record.failed_s for record in load_records(study.folder).values()]
    assert failed_s == [20, 10 * tries.LOST_TRIES, None]


def test_a_failed_run_that_is_repeated_keeps_the_time_that_it_took(study: Study) -> None:
    study.lost = [ERROR] * tries.LOST_TRIES
    study.go(planned(0))
    (failed,) = load_records(study.folder).values()
    failed = failed.model_copy(update={"failed_s": 500.0})
    save_record(study.folder, failed)
    execute([planned(0)], study.folder, {failed.run_id: failed}, study, study)
    (record,) = load_records(study.folder).values()
    assert (record.status, record.failed_s) == ("done", 500.0)


def test_where_nothing_was_forecast_the_second_try_gets_more_memory(study: Study) -> None:
    study.shares_folder, study.lacks_memory = True, ["out of memory"]
    assert study.go(planned(0), planned(1)) == ["done", "done"]
    assert (study.memory, study.more) == ([None] * 3, [False, True, False])
    assert study.heard[:2] == ["start 0", "retry 0: out of memory"]


def test_what_lacks_memory_twice_where_workers_save_records_is_a_failed_record(study: Study) -> None:
    study.shares_folder, study.lacks_memory = True, ["out of memory"] * 2
    assert study.go(planned(0), planned(1)) == ["failed", "done"]
    assert load_records(study.folder)[planned(0).run_id].reason == "out of memory"
    assert list((study.folder / "locks").iterdir()) == []


def test_a_run_that_lacks_memory_can_be_left_to_somebody_else(study: Study) -> None:
    left: list[str] = []
    study.status, study.kills = "failed", True
    ended = execute(
        [planned(0)], study.folder, {}, study, study, lacks_memory=lambda run, _: left.append(run.run_id)
    )
    assert (ended, left, study.heard) == ({}, [planned(0).run_id], ["start 0"])
    assert load_records(study.folder) == {}
    assert list((study.folder / "locks").iterdir()) == []


def test_a_worker_s_error_costs_its_run_and_not_the_study(study: Study) -> None:
    study.lost = [ERROR] * tries.LOST_TRIES
    assert study.go(planned(0), planned(1)) == ["failed", "done"]
    assert load_records(study.folder)[planned(0).run_id].reason == ERROR.reason


def test_workers_of_which_none_can_do_anything_end_the_study(study: Study) -> None:
    study.lost = [ERROR] * module.MOST_ERRORS
    with pytest.raises(UserError, match=r"^no worker can do runs: its worker failed: OSError: no space$"):
        study.go(*map(planned, range(5)))
    assert list((study.folder / "locks").iterdir()) == []


def test_a_killed_worker_s_run_is_tried_once_more_and_its_record_kept(study: Study) -> None:
    study.status, study.kills = "failed", True
    assert study.go(planned(0)) == ["failed"]
    assert study.heard == ["start 0", "retry 0: ", "start 0", "failed 0"]


@pytest.mark.parametrize("together", [False, True])
def test_no_more_runs_are_claimed_than_files_can_be_open(
    study: Study, monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    monkeypatch.setattr(claims, "most_claims", lambda: 3)
    monkeypatch.setattr(study, "room", lambda: 100)
    study.together, study.lost = together, [LOST] * 3  # and what is tried again keeps its claim
    claimed: list[int] = []
    study.during = lambda _run: claimed.append(len(list((study.folder / "locks").iterdir())))
    assert study.go(*map(planned, range(8))) == ["done"] * 8
    assert max(claimed) == 3
    assert list((study.folder / "locks").iterdir()) == []


def test_where_no_worker_can_start_the_study_ends_and_gives_up_its_claims(study: Study) -> None:
    study.lost = [CannotWork("install the same version")]  # type: ignore[list-item]
    with pytest.raises(UserError, match=r"^install the same version$"):
        study.go(planned(0), planned(1))
    assert list((study.folder / "locks").iterdir()) == []
