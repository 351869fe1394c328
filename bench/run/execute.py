"""A whole plan, job by job: who claims a run, what is written when, what is tried again.

Says nothing of how a run is computed, nor where: that is an executor's (`bench/run/executors`).
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from math import inf
from pathlib import Path

from bench.records.record import Record, Status
from bench.records.store import find_record, save_record
from bench.run.claims import Claims
from bench.run.environment import unknown_environment
from bench.run.executors.base import (
    Began,
    CannotWork,
    Ended,
    EpochEnded,
    Event,
    Executor,
    Job,
    JobEnded,
    JobLost,
    OfRun,
    OutOfMemory,
    Refused,
    Retried,
)
from bench.run.listener import Listener
from bench.run.outcome import RefusedRunsError, record_without_outcome
from bench.run.tries import MEMORY_TRIES, Tries
from bench.study.forecast import Prediction, with_prediction
from bench.study.plan import PlannedRun
from gptcore.errors import UserError

WAIT_S = 0.5  # between two looks at what other processes do
MOST_ERRORS = 12  # of workers, one after the other with no run between them: then none of them can work
_numbers = count()  # of jobs


def execute(
    plan: Sequence[PlannedRun],
    folder: Path,
    seen: Mapping[str, Record],
    executor: Executor,
    listener: Listener,
    predictions: Mapping[str, Prediction] | None = None,
    patient: bool = True,
    memory_tries: int = MEMORY_TRIES,
    lacks_memory: Callable[[PlannedRun, str], object] | None = None,
) -> dict[str, Status]:
    """Do what is to do of a plan, together with any other process that is at the same folder.

    seen: run id -> record, as the plan knew them; predictions: run id -> what it will take. Each record is saved as
    soon as it is there. A run that another process is at is left to it, and done here if that process ends without a
    record, unless not `patient`. A run that loses its worker is tried again, and then a failed record; so is one for
    which memory runs out, `memory_tries` times in all. lacks_memory: called with such a run and the reason instead; it
    leaves no record. Returns how all that was to do has ended, by run id: records are in the folder, and thousands of
    them are not kept in memory. Raises UserError where the folder cannot be written or no worker can do anything, and
    RefusedRunsError at the end where runs were refused: they leave no record, the others are done.
    """
    todo = [run for run in plan if run.state in ("todo", "blocked")]
    with Claims(folder) as claims:
        driver = _Driver(
            todo, claims, seen, executor, listener, predictions or {}, memory_tries, lacks_memory
        )
        driver.go(patient)
    if driver.refused:
        raise RefusedRunsError(driver.refused)
    return driver.ended


class _Driver:
    """One call of `execute`. Claimed are the runs that are submitted, or to be tried again."""

    def __init__(
        self,
        todo: Sequence[PlannedRun],
        claims: Claims,
        seen: Mapping[str, Record],
        executor: Executor,
        listener: Listener,
        predictions: Mapping[str, Prediction],
        memory_tries: int,
        lacks_memory: Callable[[PlannedRun, str], object] | None,
    ) -> None:
        self.folder, self.claims, self.seen, self.executor = claims.folder, claims, seen, executor
        self.listener, self.predictions = listener, predictions
        self.ended: dict[str, Status] = {}  # by run id
        self.refused: dict[str, str] = {}  # why, by run id
        self._waiting = deque(executor.group(todo, predictions))
        self._theirs: list[PlannedRun] = []  # runs that others are at, as far as known
        self._looked = -inf  # when these were last asked for
        self._flying: dict[int, tuple[Job, dict[str, PlannedRun]]] = {}  # a job, and what has not ended of it
        self._slots: dict[int, int] = {}  # the number of a job -> that of its worker, the lowest free one
        self.lacks_memory, self._tries = lacks_memory, Tries(seen, memory_tries)
        self._n_errors = 0  # of workers since a run has ended
        self._of_seed = Counter(run.seed_index for run in todo if run.state == "todo")
        self._n_left = self._of_seed.total()

    def go(self, patient: bool) -> None:
        while True:
            self._submit()
            if self._flying:
                for number, event in self.executor.events(WAIT_S):
                    self._hear(number, event)
            elif self._theirs and not self._waiting:
                if not patient:
                    return
                self.listener.wait(self._theirs)
                time.sleep(WAIT_S)
            elif not self._waiting:
                return

    def _submit(self) -> None:
        """Submit as many jobs as the executor has room for, of runs that nobody else is at."""
        room, now = self.executor.room(), time.monotonic()
        if room > 0 and not self._waiting and self._theirs and now - self._looked >= WAIT_S:
            # What others were at may have ended.
            self._waiting.extend(self.executor.group(self._theirs, self.predictions))
            self._theirs, self._looked = [], now
        jobs: list[Job] = []
        while self._waiting and len(jobs) < room and self.claims.may_take(self._waiting[0][0].run_id):
            if claimed := self._claimed(self._waiting.popleft()):
                more = any(self._tries.ran_short(run.run_id) for run in claimed)
                jobs.append(Job(next(_numbers), tuple(claimed), self._needs(claimed), more))
        for job in jobs:
            self._flying[job.number] = job, {run.run_id: run for run in job.runs}
            taken = set(self._slots.values())
            self._slots[job.number] = next(slot for slot in count() if slot not in taken)
        if jobs:
            self.executor.submit(jobs, self.seen)

    def _claimed(self, runs: tuple[PlannedRun, ...]) -> list[PlannedRun]:
        """Those of the runs that are to be done here; what may not be claimed yet goes on waiting."""
        claimed = []
        for i, run in enumerate(runs):
            if not self.claims.may_take(run.run_id):
                self._waiting.appendleft(runs[i:])
                break
            if self._claim(run):
                claimed.append(run)
        return claimed

    def _claim(self, run: PlannedRun) -> bool:
        """Whether a run is to be done here; where not, another is at it, or its record is there.

        Found are another process's records, where one came while the plan was done, and one that says already why it
        is skipped.
        """
        run_id = run.run_id
        if run_id in self.claims:
            return True
        if not self.claims.take(run_id):
            self._theirs.append(run)
            return False
        record = find_record(self.folder, run_id)
        if record is not None and record.status == "skipped":
            there = run.state == "blocked" and record.reason == run.reason
        else:
            there = record is not None and record != self.seen.get(run_id)
        if record is not None and there:
            self._end(run, record, save=False)
            return False
        if self.executor.shares_folder:  # the worker claims it
            self.claims.give_up(run_id)
        return True

    def _needs(self, runs: Iterable[PlannedRun]) -> int | None:
        forecast = (self.predictions[run.run_id].mem_bytes for run in runs if run.run_id in self.predictions)
        asked = (self._tries.memory_bytes(run.run_id) for run in runs)
        return max((*forecast, *asked), default=0) or None

    def _hear(self, number: int, event: Event) -> None:
        job, left = self._flying[number]
        if isinstance(event, OfRun) and event.run_id not in left:
            return  # a job that its cluster has started again tells once more of what had ended
        if isinstance(event, Began):
            self.listener.start(left[event.run_id])
            self._tries.begin(event.run_id)
            if event.run_id in self.claims:
                self.claims.begin(event.run_id, self._slots[number])
        elif isinstance(event, EpochEnded):
            self.listener.epoch(left[event.run_id], event.epoch)
            if log := self.claims.log(event.run_id):
                log.epoch(event.epoch)
        elif isinstance(event, Retried):
            self.listener.retry(left[event.run_id], event.reason)
        elif isinstance(event, Refused):
            run = left.pop(event.run_id)
            if log := self.claims.log(event.run_id):
                log.status = "refused"
            self.listener.refuse(run, event.message)
            self.refused[event.run_id] = event.message
            self._count(run)
        elif isinstance(event, Ended):
            run = left.pop(event.run_id)
            self._n_errors = 0
            if not event.out_of_memory or not self._try_again(run, job, event.record.reason or "", True):
                record = self._tries.with_failed(with_prediction(event.record, self.predictions))
                self._end(run, record, not self.executor.shares_folder)
        elif isinstance(event, OutOfMemory):
            run = left.pop(event.run_id)
            if not self._try_again(run, job, event.reason, True):
                self._fail(run, event.reason)
        elif isinstance(event, CannotWork):
            raise UserError(event.message)
        else:
            del self._flying[number], self._slots[number]
            lost = event if isinstance(event, JobLost) else JobLost("its worker ended before it did")
            if left:
                self._lost(job, list(left.values()), lost)
            assert isinstance(event, JobEnded | JobLost)

    def _lost(self, job: Job, left: list[PlannedRun], lost: JobLost) -> None:
        """The first run that had not ended is the one that was lost; the others are done as if never submitted."""
        run, *others = left
        if others:
            self._waiting.appendleft(tuple(others))
        self._n_errors += lost.error
        if self._n_errors >= MOST_ERRORS:
            raise UserError(f"no worker can do runs: {lost.reason}")
        if not self._try_again(run, job, lost.reason, lost.out_of_memory):
            self._fail(run, lost.reason)

    def _try_again(self, run: PlannedRun, job: Job, reason: str, out_of_memory: bool) -> bool:
        """Whether it is, or left to somebody else; where not, it has failed."""
        if out_of_memory and self.lacks_memory is not None:
            self.claims.give_up(run.run_id)
            self.lacks_memory(run, reason)
            return True
        if not self._tries.may_follow(run.run_id, out_of_memory, job.memory_bytes):
            return False
        self._waiting.appendleft((run,))
        self.claims.end(run.run_id)
        self.listener.retry(run, reason)
        return True

    def _fail(self, run: PlannedRun, reason: str) -> None:
        if not self._claim(run):  # where workers save records, it may have one
            return
        spec = self.executor.spec
        environment = self.executor.environment(run.recipe) or unknown_environment(
            spec.precision, spec.threads or 1, spec.jobs
        )
        record = record_without_outcome(
            *(run, "failed", reason),
            engine=spec.engine,
            data=spec.data.with_split(run.seeds.split),
            environment=environment,
        ).model_copy(update={"failed_s": round(self._tries.since_began(run.run_id), 4)})
        self._end(run, self._tries.with_failed(record), save=True)

    def _end(self, run: PlannedRun, record: Record, save: bool) -> None:
        if save:
            save_record(self.folder, record)
            if log := self.claims.log(run.run_id):
                log.status = record.status
        self.ended[run.run_id] = record.status
        self.listener.end(run, record)
        self._count(run)

    def _count(self, run: PlannedRun) -> None:
        self.claims.give_up(run.run_id)
        self._tries.end(run.run_id)
        if run.state == "todo":
            self._of_seed[run.seed_index] -= 1
            self._n_left -= 1
            if not self._of_seed[run.seed_index] and self._n_left:
                self.listener.seed(run.seed_index)
