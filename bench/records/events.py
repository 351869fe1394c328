"""What happens in a study's folder while it runs: `events/<worker>.jsonl`, one line per event, only appended to.

One file per worker, so that no two processes ever append to the same file: that holds on any shared file system.
Events say who is at which run, for `watch` and for trackers; results are in the records alone. An event has no field
for free text, so it cannot hold a token, an environment variable or a text of the data.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from bench.records.lines import LineReader
from gptcore.result import Epoch
from gptcore.schema import Part

FOLDER = "events"
_TOKEN = uuid.uuid4().hex[:8]  # of this process; host names stay out of a study's folder
RunId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=255)]


class _Event(Part):
    at: AwareDatetime = Field(description="UTC, by the worker's clock")
    run_id: RunId


class Started(_Event):
    """A worker begins a run."""

    kind: Literal["started"] = "started"


class EpochEnded(_Event):
    """An epoch of a run has ended: also the sign that its worker is alive."""

    kind: Literal["epoch"] = "epoch"
    epoch: int = Field(ge=1, le=10**12)
    validation_accuracy: float = Field(ge=0, le=1)


class Ended(_Event):
    """A worker has left a run: with its record, or without one where it was refused or interrupted."""

    kind: Literal["ended"] = "ended"
    status: Literal["done", "failed", "skipped", "refused", "interrupted"]


Event = Started | EpochEnded | Ended
_READ: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


class EventLog:
    """Appends one worker's events. A disk that is full or read-only loses events, never a run."""

    def __init__(self, folder: Path, worker: str | None = None) -> None:
        """folder: of the study; worker: names the file; None: this process."""
        self.path = folder / FOLDER / f"{worker or worker_name()}.jsonl"

    @contextmanager
    def run(self, run_id: str) -> Iterator[RunLog]:
        """Log a run from its start to its end, however the block ends; the block says with which status."""
        log = RunLog(self, run_id)
        self.append(Started(at=_now(), run_id=run_id))
        try:
            yield log
        finally:
            self.append(Ended(at=_now(), run_id=run_id, status=log.status))

    def append(self, event: Event) -> None:
        """One more line."""
        line = event.model_dump_json() + "\n"
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)


class RunLog:
    """The events of one run. status: what its end will say."""

    def __init__(self, log: EventLog, run_id: str) -> None:
        self.log, self.run_id = log, run_id
        self.status: Literal["done", "failed", "skipped", "refused", "interrupted"] = "interrupted"

    def epoch(self, epoch: Epoch) -> None:
        """An epoch has ended."""
        accuracy = epoch.validation_accuracy
        event = EpochEnded(at=_now(), run_id=self.run_id, epoch=epoch.epoch, validation_accuracy=accuracy)
        self.log.append(event)


class EventReader:
    """Reads the events of a folder as they come, each once. n_unknown: lines that this version does not know."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._files: dict[str, LineReader] = {}  # by worker
        self.n_unknown = 0

    def more(self) -> Iterator[tuple[str, Event]]:
        """(worker, event) for each event that is new, those of one worker in order; none where no worker left any."""
        for path in sorted(self._folder.glob("*.jsonl")):
            for line in self._files.setdefault(path.stem, LineReader(path)).more():
                try:
                    yield path.stem, _READ.validate_json(line)
                except ValidationError:
                    self.n_unknown += 1


def worker_name(slot: int | None = None) -> str:
    """This process; slot: the worker of that number that it has at work."""
    return "-".join([_TOKEN, str(os.getpid()), *([] if slot is None else [str(slot)])])


def _now() -> datetime:
    return datetime.now(UTC)
