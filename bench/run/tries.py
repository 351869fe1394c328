"""Tries of runs: when one may be tried again, with how much memory, and the time of those that failed."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping

from bench.records.record import Record

MEMORY_TRIES = 2  # of a run for which memory runs out, or whose worker is killed: the second with more memory
LOST_TRIES = 4  # of a run whose worker or machine is lost, which says nothing of the run


class Tries:
    """The tries of each run, by run id.

    seen: records as the plan knew them, with the time of tries in earlier calls; memory_tries: of a run for which
    memory runs out.
    """

    def __init__(self, seen: Mapping[str, Record], memory_tries: int = MEMORY_TRIES) -> None:
        self._memory_tries = memory_tries
        self._n_lost: Counter[str] = Counter()  # that ended with the worker or its machine
        self._n_short: Counter[str] = Counter()  # that ended as memory ran out
        self._memory: dict[
            str, int
        ] = {}  # bytes that a run gets as it has been killed with less, where known
        self._began: dict[str, float] = {}  # when its try began, by this process's clock
        self._failed_s = defaultdict(float, {name: r.failed_s for name, r in seen.items() if r.failed_s})

    def begin(self, run_id: str) -> None:
        """A try begins."""
        self._began[run_id] = time.monotonic()

    def since_began(self, run_id: str) -> float:
        """Seconds of a try that has ended; 0 where it had not begun."""
        now = time.monotonic()
        return now - self._began.pop(run_id, now)

    def may_follow(self, run_id: str, out_of_memory: bool, memory_bytes: int | None) -> bool:
        """Whether another try follows one that has failed; memory_bytes: what that one had, where known."""
        tries = self._n_short if out_of_memory else self._n_lost
        tries[run_id] += 1
        if tries[run_id] >= (self._memory_tries if out_of_memory else LOST_TRIES):
            return False
        if out_of_memory and memory_bytes is not None:
            self._memory[run_id] = 2 * memory_bytes
        self._failed_s[run_id] += self.since_began(run_id)
        return True

    def ran_short(self, run_id: str) -> bool:
        """Whether memory has run out before."""
        return run_id in self._n_short

    def memory_bytes(self, run_id: str) -> int:
        """What its next try is to have at least; 0 where nothing is known."""
        return self._memory.get(run_id, 0)

    def with_failed(self, record: Record) -> Record:
        """The record of a run that has ended, with the time of its earlier tries, which have failed."""
        if (before_s := self._failed_s.pop(record.run_id, 0.0)) == 0:
            return record
        return record.model_copy(update={"failed_s": round((record.failed_s or 0.0) + before_s, 4)})

    def end(self, run_id: str) -> None:
        """No try follows."""
        self._began.pop(run_id, None)
