"""What `watch` shows: a study at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from bench.records.recommendation import State
from bench.records.record import Status
from bench.records.study import Study

SILENT_S = 300.0  # without a held lock, a run whose last event is older is not called running


@dataclass(frozen=True)
class Planned:
    """A run of the manifest, and the rows that share it."""

    recipe_id: str
    rows: tuple[str, ...]
    seed_index: int

    @property
    def name(self) -> str:
        """What a reader calls it."""
        return f"{', '.join(self.rows)} seed {self.seed_index}"


@dataclass(frozen=True)
class Current:
    """A run that a worker has begun and not left. worker: None where only its lock shows it.

    held: its lock, None where the file system does not say; silent_s: since the last event of the worker.
    """

    run: Planned
    worker: str | None
    held: bool | None
    running_s: float = 0.0
    silent_s: float = 0.0
    epoch: int | None = None
    validation_accuracy: float | None = None

    @property
    def is_alive(self) -> bool:
        """Whether someone is at it, as far as can be seen from here."""
        return self.held is True or (self.worker is not None and self.silent_s < SILENT_S)


@dataclass(frozen=True)
class Worker:
    """A process that did runs: how many ended with a record, and in which time from its first event to its last."""

    name: str
    n_ended: int
    span_s: float
    is_alive: bool

    @property
    def per_hour(self) -> float | None:
        """Runs an hour; None before its first one."""
        return self.n_ended / self.span_s * 3600 if self.n_ended and self.span_s > 0 else None


@dataclass(frozen=True)
class RowState:
    """A row with finished seeds, and the mean of their scores by the study's metric, on the runs' own test part."""

    name: str
    n_done: int
    score: float


@dataclass(frozen=True)
class SearchState:
    """How far a recommendation is. n_trials: that have ended; state: what its folder says of it."""

    n_trials: int
    state: State


@dataclass(frozen=True)
class Snapshot:
    """A study at one moment. rows: best mean score first; n_unknown: lines of events that could not be read.

    damaged: files that are no records; eta_s: None where nothing is known, or nobody is at work; search: of a
    recommendation, of whose runs this is the study, None of any other study; may_be_queued: whether a driver has left
    in the folder what its Slurm tasks start with.
    """

    study: Study
    n_runs: int
    counts: dict[Status, int]
    failed: tuple[tuple[str, str], ...]
    rows: tuple[RowState, ...]
    current: tuple[Current, ...]
    workers: tuple[Worker, ...]
    eta_s: float | None
    damaged: tuple[str, ...]
    n_unknown: int
    search: SearchState | None = None
    may_be_queued: bool = False

    @property
    def n_left(self) -> int:
        """Runs of the manifest that have no record. A recommendation does only those that it needs."""
        return self.n_runs - sum(self.counts.values())

    @property
    def is_running(self) -> bool:
        """Whether someone is at it, as far as can be seen from here."""
        return any(run.is_alive for run in self.current)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return (self.has_ended or not self.n_left) and not self.is_running

    @property
    def has_ended(self) -> bool:
        """Whether the last call has ended and says why, although runs of the manifest may be left."""
        if self.search is not None:
            return self.search.state.last_call is not None
        return self.study.ended is not None


@dataclass(frozen=True)
class Trials:
    """A study before its manifest: values of its rows are being chosen. current: the trials that are held now."""

    name: str
    n_ended: int
    current: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """Never: runs follow."""
        return False
