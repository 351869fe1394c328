"""Jobs on this machine: one worker process for each job at a time. Imports no torch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Empty, Queue
from threading import Lock, Semaphore, Thread
from typing import Self

from bench.records.record import Environment, Record
from bench.run.environment import free_memory_bytes, has_cuda, n_threads, visible_gpus
from bench.run.executors.base import CannotWork, Event, Job, JobEnded, JobLost, OfRun, run_job
from bench.run.executors.grouping import grouped
from bench.run.jobs import n_jobs
from bench.run.supervisor import StoppedError, Supervisor
from bench.run.worker import SessionSpec
from bench.study.forecast import Prediction, mean_of
from bench.study.plan import PlannedRun
from gptcore.errors import UserError, error_line
from gptcore.recipe import Recipe

log = logging.getLogger(__name__)


class Here:
    """This machine."""

    def __init__(self, nproc: int = 1) -> None:
        """nproc: processes that compute a run together."""
        self.nproc = nproc
        self.sharing = nproc == 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def has_cuda(self) -> bool:
        """Whether this machine has a GPU that torch can use."""
        return has_cuda()

    def free_bytes(self, device: str) -> int:
        """What all runs at a time may take together."""
        return free_memory_bytes(device)

    def n_jobs(self, asked: str, recipes: Iterable[Recipe], device: str) -> int:
        """As --jobs says; one where several processes compute it."""
        if self.nproc > 1:
            if asked not in ("auto", "1"):
                raise UserError(f"--jobs {asked}: one run at a time with --nproc {self.nproc}: leave it out")
            return 1
        return n_jobs(asked, recipes, device)

    def threads(self, jobs: int) -> int | None:
        """The cores, divided; a process for each of many GPUs may have to share one."""
        n = jobs * self.nproc
        return max(1, n_threads() // n) if n > 1 else None

    def open(
        self,
        spec: SessionSpec,
        folder: Path,  # noqa: ARG002 (the protocol's)
        timeout_s: float | None,
    ) -> LocalExecutor:
        """`spec.jobs` worker processes."""
        if self.nproc > 1:
            spec = replace(spec, nproc=self.nproc, precision="float32", measures_serving=False)
        return LocalExecutor(spec, timeout_s)


class LocalExecutor:
    """`spec.jobs` worker processes, each with a thread here that hands it jobs and hears of them."""

    shares_folder = False

    def __init__(self, spec: SessionSpec, timeout_s: float | None = None) -> None:
        self.spec = spec
        gpus = visible_gpus() if spec.jobs > 1 and spec.device != "cpu" else [None] * spec.jobs
        self._supervisors = [Supervisor(replace(spec, gpu=gpu), timeout_s) for gpu in gpus[: spec.jobs]]
        self._threads: list[Thread] = []
        self._asked: Queue[Job | None] = Queue()
        self._heard: Queue[tuple[int, Event]] = Queue()
        self._n_open = 0  # jobs of which more will be heard
        self._shares = Semaphore(spec.jobs)  # of the memory, one for each job
        self._takes_all = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for supervisor in self._supervisors:
            supervisor.interrupt()
        for _thread in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            thread.join()
        for supervisor in self._supervisors:
            supervisor.close()

    def environment(self, recipe: Recipe) -> Environment:  # noqa: ARG002 (the protocol's)
        """Of the first worker: all have the same."""
        return self._supervisors[0].environment

    def forecast(
        self, plan: Sequence[PlannedRun], on_probe: Callable[[int, int], None]
    ) -> dict[str, Prediction]:
        """Measured by all workers at once on a CPU, whose cores and caches they share, by the first one on GPUs.

        Of runs that several processes compute nothing is known before.
        """
        if self.spec.nproc > 1:
            return {}
        first, *others = self._supervisors
        if self.spec.device != "cpu" or not others:
            return first.forecast(plan, on_probe)
        with ThreadPoolExecutor(len(others)) as pool:
            try:
                beside = [pool.submit(other.forecast, plan, lambda *_: None) for other in others]
                return mean_of([first.forecast(plan, on_probe), *(each.result() for each in beside)])
            except BaseException:  # Ctrl-C: the pool waits for its threads, and they for their workers
                for other in others:
                    other.interrupt()
                raise

    def group(
        self, runs: Sequence[PlannedRun], predictions: Mapping[str, Prediction]
    ) -> list[tuple[PlannedRun, ...]]:
        """Runs that share a trunk, divided among the workers."""
        return grouped(runs, predictions, self.spec.jobs)

    def room(self) -> int:
        """Workers that have nothing to do."""
        return self.spec.jobs - self._n_open

    def submit(self, jobs: Sequence[Job], seen: Mapping[str, Record]) -> None:  # noqa: ARG002
        """Each goes to the next worker that is free."""
        if not self._threads:
            self._threads = [
                Thread(target=self._work, args=(supervisor,), daemon=True) for supervisor in self._supervisors
            ]
            for thread in self._threads:
                thread.start()
        self._n_open += len(jobs)
        for job in jobs:
            self._asked.put(job)

    def events(self, timeout_s: float) -> list[tuple[int, Event]]:
        """In the order in which they happened."""
        found: list[tuple[int, Event]] = []
        try:
            found.append(self._heard.get(timeout=timeout_s))
            while True:
                found.append(self._heard.get_nowait())
        except Empty:
            self._n_open -= sum(isinstance(event, JobEnded | JobLost) for _, event in found)
            return found

    def _work(self, supervisor: Supervisor) -> None:
        while (job := self._asked.get()) is not None:

            def tell(event: OfRun, number: int = job.number) -> None:
                self._heard.put((number, event))

            try:
                with self._memory_for(job):
                    run_job(job, supervisor, tell)
                self._heard.put((job.number, JobEnded()))
            except StoppedError:
                return
            except UserError as error:
                self._heard.put((job.number, CannotWork(str(error))))
            except Exception as error:  # of one job: the others go on
                log.exception("job %d failed", job.number)
                supervisor.close()  # it may still be at the run, and would answer the next one with this one's record
                self._heard.put((job.number, JobLost(f"its worker failed: {error_line(error)}", error=True)))

    @contextmanager
    def _memory_for(self, job: Job) -> Iterator[None]:
        """Held while a job is done: one that had too little memory is done alone."""
        n = self.spec.jobs if job.more_memory else 1
        with self._takes_all:  # two that want it all would wait for each other
            for _ in range(n):
                self._shares.acquire()
        try:
            yield
        finally:
            for _ in range(n):
                self._shares.release()
