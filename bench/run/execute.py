"""A whole plan, run by run: who claims a run, what is written when. Says nothing of how a run is computed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from bench.records.events import EventLog
from bench.records.record import Record
from bench.records.store import find_record, save_record
from bench.run.outcome import RefusedRunError
from bench.study.plan import PlannedRun
from gptcore.locks import lock
from gptcore.result import Epoch, OnEpoch

WAIT_S = 0.5  # between two looks at what other processes do


class Listener(Protocol):
    """Who hears how a study goes on."""

    def start(self, run: PlannedRun) -> None:
        """A run begins."""

    def epoch(self, epoch: Epoch) -> None:
        """An epoch of it has ended."""

    def end(self, run: PlannedRun, record: Record) -> None:
        """A run has ended, here or in another process."""

    def refuse(self, run: PlannedRun, reason: str) -> None:
        """A run cannot be done before the user has changed something."""

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        """Other processes are at all that is left."""

    def seed(self, seed_index: int) -> None:
        """All that was to do with a seed has ended, and runs of other seeds are still to do."""


def execute(
    plan: Sequence[PlannedRun],
    folder: Path,
    seen: Mapping[str, Record],
    run: Callable[[PlannedRun, OnEpoch], Record],
    listener: Listener,
) -> list[Record]:
    """Do what is to do of a plan, together with any other process that is at the same folder.

    seen: run id -> record, as the plan knew them; run: the record of one run, done or failed. Each record is
    saved as soon as it is there. A run that another process is at is left to it, and done here if that process
    ends without a record. Returns the records of all that was to do. Raises UserError where the folder cannot
    be written, and RefusedRunError at the end where a run was refused: it leaves no record, the others are done.
    """
    log = EventLog(folder)
    records: list[Record] = []
    refused: list[RefusedRunError] = []
    left = [planned for planned in plan if planned.state in ("todo", "blocked")]
    of_seed = Counter(planned.seed_index for planned in left if planned.state == "todo")
    while left:
        for planned in left:
            with lock(folder, planned.run_id) as mine:
                if not mine:
                    continue
                try:
                    records.append(_one(planned, folder, seen.get(planned.run_id), run, listener, log))
                except RefusedRunError as error:
                    listener.refuse(planned, str(error))
                    refused.append(error)
            left.remove(planned)
            if planned.state == "todo":
                of_seed[planned.seed_index] -= 1
                if not of_seed[planned.seed_index] and of_seed.total():
                    listener.seed(planned.seed_index)
            break  # from the start again: what others were at may have ended
        else:
            listener.wait(left)
            time.sleep(WAIT_S)
    if refused:
        raise refused[0]
    return records


def _one(
    planned: PlannedRun,
    folder: Path,
    seen: Record | None,
    run: Callable[[PlannedRun, OnEpoch], Record],
    listener: Listener,
    log: EventLog,
) -> Record:
    """The record of a run that this process has locked, found or made.

    Found are another process's, where one came while the plan was done, and one that says already why it is skipped.
    """
    record = find_record(folder, planned.run_id)
    if record is not None and record.status == "skipped":
        there = planned.state == "blocked" and record.reason == planned.reason
    else:
        there = record is not None and record != seen  # done meanwhile
    if record is None or not there:
        listener.start(planned)
        with log.run(planned.run_id) as events:

            def on_epoch(epoch: Epoch) -> None:
                listener.epoch(epoch)
                events.epoch(epoch)

            try:
                record = run(planned, on_epoch)
            except RefusedRunError:
                events.status = "refused"
                raise
            save_record(folder, record)
            events.status = record.status
    listener.end(planned, record)
    return record
