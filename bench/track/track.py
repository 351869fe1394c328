"""Opens the trackers that `run --track` names, and tells them of each run that ends here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bench.records.record import Record
from bench.records.scrub import scrub
from bench.run.listener import Listener
from bench.study.plan import PlannedRun
from bench.track.tracker import Tracker, tracked
from gptcore.errors import UserError, error_line
from gptcore.extras import require
from gptcore.result import Epoch


def _mlflow() -> Tracker:
    from bench.track.to_mlflow import MlflowTracker

    return MlflowTracker()


def _wandb() -> Tracker:
    from bench.track.to_wandb import WandbTracker

    return WandbTracker()


def _trackio() -> Tracker:
    from bench.track.to_trackio import TrackioTracker

    return TrackioTracker()


TRACKERS: dict[str, Callable[[], Tracker]] = {"mlflow": _mlflow, "wandb": _wandb, "trackio": _trackio}


def check_trackers(names: Iterable[str]) -> list[str]:
    """The trackers, each once. Raises UserError for an unknown one, and for one that is not installed."""
    found = list(dict.fromkeys(names))
    for name in found:
        if name not in TRACKERS:
            raise UserError(f"--track {name!r}: known trackers are {', '.join(TRACKERS)}")
        require(name, f"--track {name}", name)
    return found


class Tracking:
    """Copies finished runs to some trackers; one that fails is given up with one warning, and no run fails for it."""

    def __init__(
        self,
        names: Sequence[str],
        study: str,
        warn: Callable[[str], None],
        trackers: dict[str, Callable[[], Tracker]] = TRACKERS,
    ) -> None:
        """names: of `check_trackers`; study: its name; warn: shows one line."""
        self.study, self._warn = study, warn
        self._open: dict[str, Tracker] = {}
        for name in names:
            try:
                self._open[name] = trackers[name]()
            except Exception as error:  # a tracker never stops a study
                self._give_up(name, error)

    def log(self, run: PlannedRun, record: Record) -> None:
        """Copy a run that is done or failed."""
        if record.status == "skipped":
            return
        copy = tracked(record, self.study, run.rows)
        for name, tracker in list(self._open.items()):
            try:
                tracker.log(copy)
            except Exception as error:  # as above
                self._give_up(name, error)

    def _give_up(self, name: str, error: Exception) -> None:
        self._open.pop(name, None)
        said = scrub(error_line(error))
        self._warn(f"--track {name} stopped ({said}): the study goes on, and its records are complete")


class Tracked:
    """A listener that passes on what it hears, and has each run tracked that began in this process."""

    def __init__(self, listener: Listener, tracking: Tracking) -> None:
        self._listener, self._tracking = listener, tracking
        self._began: set[str] = set()

    def start(self, run: PlannedRun) -> None:
        """A run begins."""
        self._began.add(run.run_id)
        self._listener.start(run)

    def epoch(self, run: PlannedRun, epoch: Epoch) -> None:
        """An epoch of it has ended."""
        self._listener.epoch(run, epoch)

    def end(self, run: PlannedRun, record: Record) -> None:
        """A run has ended; those of other processes are theirs to track."""
        self._listener.end(run, record)
        if run.run_id in self._began:
            self._tracking.log(run, record)

    def retry(self, run: PlannedRun, reason: str) -> None:
        """A run is tried again."""
        self._listener.retry(run, reason)

    def refuse(self, run: PlannedRun, reason: str) -> None:
        """A run cannot be done before the user has changed something."""
        self._listener.refuse(run, reason)

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        """Other processes are at all that is left."""
        self._listener.wait(runs)

    def seed(self, seed_index: int) -> None:
        """All that was to do with a seed has ended."""
        self._listener.seed(seed_index)
