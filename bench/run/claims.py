"""The runs that this process has claimed in a study's folder: their locks, and what `events/` says of them."""

from __future__ import annotations

import resource
import sys
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

from bench.records.events import EventLog, RunLog, worker_name
from gptcore.locks import lock

SPARE_FILES = 256  # of a process: for workers, records, reports, libraries
FILES_PER_CLAIM = 2  # its lock, and its log while it goes on


def most_claims() -> int:
    """How many runs one process may claim at a time: each keeps files open.

    Raises the limit of open files as far as the system lets this process, which is often far above where it begins.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(ValueError, OSError):  # a system may have lowered what it allows since
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(1, (most - SPARE_FILES) // FILES_PER_CLAIM)


class Claims:
    """A context manager: at its end every claim is given up."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._most = folder, most_claims()
        self._locks: dict[str, AbstractContextManager[bool]] = {}
        self._logs: dict[str, tuple[RunLog, ExitStack]] = {}

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, *_: object) -> None:
        for run_id in list(self._locks):
            self.give_up(run_id)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._locks

    def may_take(self, run_id: str) -> bool:
        """Whether a run is claimed, or one more claim is within the limit of open files."""
        return run_id in self._locks or len(self._locks) < self._most

    def take(self, run_id: str) -> bool:
        """Whether a run is claimed now; where not, another process has it. Raises UserError as `lock` does."""
        claim = lock(self.folder, run_id)
        if not claim.__enter__():
            claim.__exit__(None, None, None)
            return False
        self._locks[run_id] = claim
        return True

    def give_up(self, run_id: str) -> None:
        """Let others have a run; nothing where it is not claimed."""
        self.end(run_id)
        if (claim := self._locks.pop(run_id, None)) is not None:
            claim.__exit__(None, None, None)

    def begin(self, run_id: str, slot: int) -> None:
        """The worker of that number has begun a claimed run."""
        log = ExitStack()
        self._logs[run_id] = log.enter_context(EventLog(self.folder, worker_name(slot)).run(run_id)), log

    def log(self, run_id: str) -> RunLog | None:
        """The log of a run that has begun here."""
        return self._logs[run_id][0] if run_id in self._logs else None

    def end(self, run_id: str) -> None:
        """A worker has left a run, with the status that its log has by now."""
        if run_id in self._logs:
            self._logs.pop(run_id)[1].close()
