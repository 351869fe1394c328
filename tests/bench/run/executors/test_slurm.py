"""Jobs as Slurm's, with a stand-in for submitit whose tasks end as a test says. No process, no Slurm."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.run.executors import slurm
from bench.run.executors.base import Job, JobEnded, JobLost
from bench.run.executors.slurm import Slurm, SlurmExecutor
from bench.run.executors.slurm_task import Task
from bench.run.worker import SessionSpec
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds

DATA = Dataset.from_texts([f"text {i}" for i in range(20)], ["ham", "spam"] * 10)
JOBS = [
    Job(seed, (PlannedRun(("tfidf",), Recipe(model="tfidf"), seed, Seeds(), "todo"),)) for seed in range(9)
]


@dataclass
class Submitted:
    """A job as submitit has it."""

    task: Task
    state: str = "RUNNING"
    error: Exception | None = None

    def done(self) -> bool:
        return self.state != "RUNNING"

    def exception(self) -> Exception | None:
        return self.error

    def result(self) -> None: ...
    def cancel(self) -> None: ...


@dataclass
class Cluster:
    """An executor as submitit has it."""

    submitted: list[Submitted] = field(default_factory=list)
    asked: list[dict[str, object]] = field(default_factory=list)
    most_gb: float = 100.0

    def update_parameters(self, **asked: object) -> None:
        self.asked.append(asked)

    def batch(self) -> nullcontext[None]:
        return nullcontext()

    def submit(self, task: Task) -> Submitted:
        if float(str(self.asked[-1].get("mem_gb", 0))) > self.most_gb:
            raise RuntimeError("sbatch: error: Memory specification can not be satisfied")
        self.submitted.append(Submitted(task))
        return self.submitted[-1]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster()
    monkeypatch.setitem(sys.modules, "submitit", SimpleNamespace(AutoExecutor=lambda **_: cluster))
    monkeypatch.setattr(slurm, "require", lambda *_: None)
    return cluster


@pytest.fixture
def executor(cluster: Cluster, tmp_path: Path) -> Iterator[SlurmExecutor]:
    assert cluster.submitted == []
    spec = SessionSpec(DATA, "fast", "float32", "cpu", jobs=2)
    with Slurm(["time=9"], cluster="local").open(spec, tmp_path, None) as executor:
        yield executor


def test_beside_a_large_array_no_more_go_than_may_at_a_time(
    executor: SlurmExecutor, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "LARGEST_ARRAY", 5)
    assert executor.room() == 5
    executor.submit(JOBS[:5], {})
    rooms = []
    for task in cluster.submitted[:4]:
        rooms.append(executor.room())
        task.state = "COMPLETED"
        assert [event for _, event in executor.events(0)] == [JobEnded()]
    assert max(rooms) <= 0  # the array itself has at least two at a time
    assert executor.room() == 1
    executor.submit(JOBS[5:6], {})
    assert executor.room() == 0
    for task in cluster.submitted:
        task.state = "COMPLETED"
    assert len(executor.events(0)) == 2
    assert executor.room() == 5


def test_a_job_whose_run_had_too_little_memory_asks_for_twice_as_much(
    cluster: Cluster, tmp_path: Path
) -> None:
    again = replace(JOBS[1], more_memory=True)
    spec = SessionSpec(DATA, "fast", "float32", "cpu", jobs=2)
    with Slurm(["time=9", "mem_gb=4"], cluster="local").open(spec, tmp_path, None) as executor:
        executor.submit([JOBS[0], again], {})
        assert [asked["mem_gb"] for asked in cluster.asked] == [4, 8]
        assert [submitted.task.job for submitted in cluster.submitted] == [JOBS[0], again]


def test_more_memory_than_slurm_has_is_the_end_of_a_run_and_not_of_the_study(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.most_gb = 6
    spec = SessionSpec(DATA, "fast", "float32", "cpu", jobs=2)
    with Slurm(["time=9", "mem_gb=4"], cluster="local").open(spec, tmp_path, None) as executor:
        executor.submit([replace(JOBS[1], more_memory=True)], {})
        ((number, lost),) = executor.events(0)
        assert number == JOBS[1].number
        assert isinstance(lost, JobLost)
        assert lost.out_of_memory
        assert "Memory specification can not be satisfied" in lost.reason


@pytest.mark.parametrize(
    ("state", "no_memory"), [("OUT_OF_MEMORY", True), ("TIMEOUT", False), ("CANCELLED by 1000", False)]
)
def test_a_job_without_a_result_is_lost_and_its_state_says_why(
    executor: SlurmExecutor, cluster: Cluster, state: str, no_memory: bool
) -> None:
    executor.submit(JOBS[:1], {})
    cluster.submitted[0].state, cluster.submitted[0].error = state, RuntimeError("no output")
    ((number, event),) = executor.events(0)
    assert number == JOBS[0].number
    assert isinstance(event, JobLost)
    assert event.out_of_memory is no_memory
    assert f"(state {state.removesuffix(' by 1000')})" in event.reason


def test_what_sbatch_refuses_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="the extra [slurm] is not installed")
    for name in ("sbatch", "srun"):
        (tmp_path / name).write_text(
            "#!/bin/sh\necho 'sbatch: error: first\nInvalid partition' >&2\nexit 1\n"
        )
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    spec = SessionSpec(DATA, "fast", "float32", "cpu", jobs=2)
    says = r"^--executor slurm: Slurm takes no jobs \(Invalid partition\): change --slurm, or try again$"
    with (
        Slurm(["time=9", "partition=none"]).open(spec, tmp_path, None) as executor,
        pytest.raises(UserError, match=says),
    ):
        executor.submit(JOBS[:2], {})
