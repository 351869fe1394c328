"""Jobs on this machine, with supervisors that do as a test says. No process."""

from collections.abc import Iterator
from threading import Event as Signal
from threading import Lock
from typing import ClassVar

import pytest

from bench.records.record import Record
from bench.run.executors import local
from bench.run.executors.base import CannotWork, Event, Job, JobEnded, JobLost
from bench.run.executors.local import LocalExecutor
from bench.run.supervisor import CannotStartError
from bench.run.worker import SessionSpec
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset
from gptcore.recipe import Recipe, Seeds

DATA = Dataset.from_texts([f"text {i}" for i in range(20)], ["ham", "spam"] * 10)
RUNS = [PlannedRun(("tfidf",), Recipe(model="tfidf"), seed, Seeds(), "todo") for seed in range(3)]


class Double:
    """A supervisor of which at most two are at a run at a time."""

    record: Record
    errors: ClassVar[list[Exception]] = []
    lock = Lock()
    at_work: ClassVar[set[int]] = set()
    together: ClassVar[list[set[int]]] = []
    both = Signal()

    def __init__(self, spec: SessionSpec, timeout_s: float | None) -> None:
        self.spec, self.timeout_s = spec, timeout_s
        self.lacked_memory = False
        self.closed = 0

    def run(self, run: PlannedRun, _on_epoch: object) -> Record:
        with self.lock:
            if self.errors:
                raise self.errors.pop()
            self.at_work.add(run.seed_index)
            self.together.append(set(self.at_work))
            if len(self.at_work) == 2:
                self.both.set()
        self.both.wait(0.2)
        with self.lock:
            self.at_work.remove(run.seed_index)
        return self.record

    def interrupt(self) -> None: ...

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch, toy_record: type, tmp_path: object) -> Iterator[LocalExecutor]:
    assert tmp_path
    monkeypatch.setattr(Double, "record", toy_record(), raising=False)
    for name, value in (("errors", []), ("together", []), ("at_work", set()), ("both", Signal())):
        monkeypatch.setattr(Double, name, value)
    monkeypatch.setattr(local, "Supervisor", Double)
    with LocalExecutor(SessionSpec(DATA, "fast", "float32", "cpu", jobs=2)) as executor:
        yield executor


def ends(executor: LocalExecutor, n: int) -> dict[int, Event]:
    """The number of a job -> the last that was heard of it."""
    found: dict[int, Event] = {}
    while sum(isinstance(event, JobEnded | JobLost | CannotWork) for event in found.values()) < n:
        found.update(executor.events(5.0))
    return found


def test_two_jobs_go_at_a_time(executor: LocalExecutor) -> None:
    executor.submit([Job(i, (RUNS[i],)) for i in range(2)], {})
    assert ends(executor, 2) == {0: JobEnded(), 1: JobEnded()}
    assert {0, 1} in Double.together


def test_a_job_that_had_too_little_memory_is_done_alone(executor: LocalExecutor) -> None:
    executor.submit([Job(i, (RUNS[i],), more_memory=i == 1) for i in range(3)], {})
    assert len(ends(executor, 3)) == 3
    assert [at_work for at_work in Double.together if 1 in at_work] == [{1}]


def test_an_error_costs_its_job_and_its_worker(executor: LocalExecutor) -> None:
    Double.errors.append(OSError(28, "No space left on device"))
    executor.submit([Job(0, (RUNS[0],))], {})
    (lost,) = ends(executor, 1).values()
    assert lost == JobLost("its worker failed: OSError: [Errno 28] No space left on device", error=True)
    assert executor.room() == 2
    executor.submit([Job(1, (RUNS[1],))], {})
    assert ends(executor, 1) == {1: JobEnded()}


@pytest.mark.parametrize(
    ("jobs", "device", "seen"),
    [(2, "cuda", ["3", "GPU-1f"]), (1, "cuda", [None]), (2, "cpu", [None, None])],
)
def test_each_worker_sees_one_of_several_gpus(
    monkeypatch: pytest.MonkeyPatch, jobs: int, device: str, seen: list[str | None]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-1f,5")
    made: list[str | None] = []
    monkeypatch.setattr(local, "Supervisor", lambda spec, _: made.append(spec.gpu))
    LocalExecutor(SessionSpec(DATA, "fast", "float32", device, jobs=jobs))
    assert made == seen


def test_where_no_process_can_start_nothing_goes_on(executor: LocalExecutor) -> None:
    Double.errors.append(CannotStartError("no worker process can start: killed"))
    executor.submit([Job(0, (RUNS[0],))], {})
    assert ends(executor, 1) == {0: CannotWork("no worker process can start: killed")}
