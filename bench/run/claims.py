"""The runs that this process has claimed in a study's folder: their locks, and what `events/` says of them."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from bench.records.events import EventLog, RunLog, worker_name
from gptcore.locks import lock


class Claims:
    """A context manager: at its end every claim is given up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._locks: dict[str, AbstractContextManager[bool]] = {}
        self._logs: dict[str, tuple[RunLog, ExitStack]] = {}

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, *_: object) -> None:
        for run_id in list(self._locks):
            self.give_up(run_id)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._locks

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
