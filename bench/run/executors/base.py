"""What every executor has in common: jobs, what is heard of them, and how a job is done. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from bench.records.record import Environment, Record
from bench.run.outcome import RefusedRunError
from bench.run.supervisor import Supervisor
from bench.run.worker import SessionSpec
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.recipe import Recipe
from gptcore.result import Epoch


@dataclass(frozen=True)
class Job:
    """Runs that one worker does one after the other: those that share a trunk, in the order in which it deepens.

    Picklable. number: its name while a study runs; memory_bytes: what its worker is expected to take, of the GPU where
    there is one, None: unknown; more_memory: its run had too little, and is to get more than other jobs do.
    """

    number: int
    runs: tuple[PlannedRun, ...]
    memory_bytes: int | None = None
    more_memory: bool = False


@dataclass(frozen=True)
class Began:
    """A worker has started on a run."""

    run_id: str


@dataclass(frozen=True)
class EpochEnded:
    """An epoch of a run has ended."""

    run_id: str
    epoch: Epoch


@dataclass(frozen=True)
class Ended:
    """A run has a record. out_of_memory: it failed as memory ran out, or as its worker was killed."""

    record: Record
    out_of_memory: bool = False

    @property
    def run_id(self) -> str:
        """Of its record."""
        return self.record.run_id


@dataclass(frozen=True)
class Retried:
    """A worker that saves records itself tries a run again, as it was killed at it."""

    run_id: str
    reason: str


@dataclass(frozen=True)
class OutOfMemory:
    """A worker that saves records itself has left a run without one, as it had too little memory for it."""

    run_id: str
    reason: str


@dataclass(frozen=True)
class Refused:
    """A run asks for something that the user has to change."""

    run_id: str
    message: str


@dataclass(frozen=True)
class JobEnded:
    """Nothing more will be heard of a job."""


@dataclass(frozen=True)
class JobLost:
    """The worker or the machine of a job is gone: what had not ended of it is to do.

    out_of_memory: that is why; error: an error of the worker is, and not the end of its process or machine.
    """

    reason: str
    out_of_memory: bool = False
    error: bool = False


@dataclass(frozen=True)
class CannotWork:
    """No worker of the executor can do any run, for a reason that the user has to remove."""

    message: str


OfRun = Began | EpochEnded | Ended | Retried | OutOfMemory | Refused
Event = OfRun | JobEnded | JobLost | CannotWork


class Executor(Protocol):
    """Has jobs done. A context manager: at its end nothing goes on that belongs to it, whatever the reason.

    Whoever drives it (`bench.run.execute`) claims runs, saves records and decides what is tried again.
    """

    shares_folder: bool  # workers claim runs and save records themselves, in the study's folder
    spec: SessionSpec

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def environment(self, recipe: Recipe) -> Environment | None:
        """Where runs of a recipe are done; None where that is not known before they are. Raises UserError."""

    def forecast(
        self, plan: Sequence[PlannedRun], on_probe: Callable[[int, int], None]
    ) -> dict[str, Prediction]:
        """Run id -> what a run will take; empty where that cannot be measured. Raises UserError."""

    def group(
        self, runs: Sequence[PlannedRun], predictions: Mapping[str, Prediction]
    ) -> Iterable[tuple[PlannedRun, ...]]:
        """The runs, divided into what should be a job each, in the order to do them."""

    def room(self) -> int:
        """How many more jobs it wants now; 0 or less: none."""

    def submit(self, jobs: Sequence[Job], seen: Mapping[str, Record]) -> None:
        """Have jobs done. seen: run id -> record, as the plan knew them: what may be replaced."""

    def events(self, timeout_s: float) -> Sequence[tuple[int, Event]]:
        """What has happened since the last call, by the job's number; waits so long where nothing has."""


class Site(Protocol):
    """A machine or a cluster, as a plan needs to know it. A context manager: at its end it is let go."""

    sharing: bool  # runs at a time share `free_bytes`

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def has_cuda(self) -> bool | None:
        """Whether runs can have a CUDA GPU; None where only they can tell."""

    def free_bytes(self, device: str) -> int:
        """Memory that one run may take, or with `sharing` all those that go at a time."""

    def n_jobs(self, asked: str, recipes: Iterable[Recipe], device: str) -> int:
        """Runs at a time. Raises UserError for what cannot be."""

    def threads(self, jobs: int) -> int | None:
        """Of each of so many runs at a time; None: as many as torch likes."""

    def open(self, spec: SessionSpec, folder: Path, timeout_s: float | None) -> Executor:
        """An executor for the runs of one folder. timeout_s: of one run, None for no limit."""


def run_job(job: Job, supervisor: Supervisor, tell: Callable[[OfRun], object]) -> None:
    """Do a job here and tell of each of its runs. What every worker of every executor does.

    Raises CannotStartError where no worker process can start.
    """
    for run in job.runs:
        tell(Began(run.run_id))

        def on_epoch(epoch: Epoch, run_id: str = run.run_id) -> None:
            tell(EpochEnded(run_id, epoch))

        try:
            record = supervisor.run(run, on_epoch)
        except RefusedRunError as error:
            tell(Refused(run.run_id, str(error)))
        else:
            tell(Ended(record, supervisor.lacked_memory))
