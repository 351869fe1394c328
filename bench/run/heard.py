"""What `watch` keeps of the events of a folder's workers: as much for a million events as for one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.records.events import Ended, Event, EventReader, Started


@dataclass
class Heard:
    """Of one worker. first: when its first event was; last: its latest event; began: when the run in it began.

    n_ended: runs that it has ended with a record; last_ended: when the latest of them ended.
    """

    first: datetime
    last: Event
    began: datetime
    n_ended: int = 0
    last_ended: datetime | None = None

    def hear(self, event: Event) -> None:
        """One more event."""
        self.last = event
        if isinstance(event, Started):
            self.began = event.at
        elif isinstance(event, Ended) and event.status in ("done", "failed"):
            self.n_ended, self.last_ended = self.n_ended + 1, event.at


class Workers:
    """The workers of a folder by name, as far as their events have been read."""

    def __init__(self, folder: Path) -> None:
        self._events = EventReader(folder)
        self.heard: dict[str, Heard] = {}

    @property
    def n_unknown(self) -> int:
        """Lines that this version does not know."""
        return self._events.n_unknown

    def listen(self) -> None:
        """Read what is new."""
        for name, event in self._events.more():
            self.heard.setdefault(name, Heard(event.at, event, event.at)).hear(event)
