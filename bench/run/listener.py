"""Who hears how runs go on: progress on the screen, trackers, a task's file. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bench.records.record import Record
from bench.study.plan import PlannedRun
from gptcore.result import Epoch


class Listener(Protocol):
    """Who hears how a study goes on. Of several runs at a time, in the order in which it becomes known."""

    def start(self, run: PlannedRun) -> None:
        """A run begins."""

    def epoch(self, run: PlannedRun, epoch: Epoch) -> None:
        """An epoch of it has ended."""

    def end(self, run: PlannedRun, record: Record) -> None:
        """A run has ended, here or in another process."""

    def retry(self, run: PlannedRun, reason: str) -> None:
        """A run has lost its worker, and is tried again."""

    def refuse(self, run: PlannedRun, reason: str) -> None:
        """A run cannot be done before the user has changed something."""

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        """Other processes are at all that is left."""

    def seed(self, seed_index: int) -> None:
        """All that was to do with a seed has ended, and runs of other seeds are still to do."""
