"""Runs in a process of their own, so that whatever happens to one, the study goes on. Imports no torch.

One worker does the runs one after the other and keeps what they share; it is replaced when it dies or hangs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import connection as connections
from multiprocessing import resource_tracker
from typing import Any

from bench.records.record import Environment, Record
from bench.records.scrub import Tail
from bench.run.outcome import NO_MEMORY, RefusedRunError, record_without_outcome
from bench.run.worker import ForecastProgress, ForecastTask, Ready, Refused, SessionSpec, work
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.errors import UserError
from gptcore.result import Epoch, OnEpoch
from gptcore.training.distributed import death_of

PROBE_LIMIT_S = 600.0  # a recipe whose probe takes longer is not forecast
# Signals that Ctrl-C and the end of a batch job send to all processes at once: the worker leaves the answer to whoever
# supervises it, else its run would be recorded as crashed.
OF_ALL = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR2}
_START_TRIES = 3
_TRACEBACK_S = 0.5  # how long a worker that hangs has to say where
_EXIT_S = 10.0  # how long a worker whose connection has closed has to be gone


class WorkerLostError(Exception):
    """The worker has ended or was stopped; the message says how, in a line. killed: by somebody else (SIGKILL)."""

    def __init__(self, message: str, killed: bool = False) -> None:
        super().__init__(message)
        self.killed = killed


class CannotStartError(UserError):
    """No worker process can start on this machine."""


class StoppedError(Exception):
    """`Supervisor.interrupt` was called."""


class Supervisor:
    """Has runs computed by a worker process.

    timeout_s: of one run, None for no limit; lacked_memory: whether the last run failed as memory ran out, or as its
    worker was killed, which mostly means the same. Use as a context manager: the worker ends with it.
    """

    def __init__(self, spec: SessionSpec, timeout_s: float | None = None) -> None:
        self.spec, self.timeout_s = spec, timeout_s
        self.lacked_memory = False
        self._worker: _Worker | None = None
        self._interrupted, self._interrupt = multiprocessing.Pipe(duplex=False)

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker, whatever it does."""
        if self._worker is not None:
            self._worker.stop()

    def interrupt(self) -> None:
        """From any thread: whoever waits for the worker, now or later, gets StoppedError."""
        self._interrupt.send(None)

    def run(self, planned: PlannedRun, on_epoch: OnEpoch) -> Record:
        """The record of one run: done, skipped where the plan has it blocked, or failed.

        A failed one has its time and the last lines of the worker's output. Raises CannotStartError where no worker
        can start, RefusedRunError where the user has to change something.
        """
        self.lacked_memory = False
        data = self.spec.data.with_split(planned.seeds.split)  # said before a worker fails over it
        worker = self._ready_worker()
        without_outcome = partial(
            record_without_outcome,
            planned,
            engine=self.spec.engine,
            data=data,
            environment=worker.environment,
        )
        if planned.state == "blocked":
            return without_outcome("skipped", planned.reason)
        worker.tail = Tail()
        began = time.monotonic()
        try:
            record = worker.run(planned, on_epoch, self.timeout_s)
        except WorkerLostError as lost:
            self._worker, self.lacked_memory = None, lost.killed
            record = without_outcome("failed", str(lost))
        if record.status == "failed":
            took = {"output_tail": worker.tail.lines, "failed_s": round(time.monotonic() - began, 4)}
            record = record.model_copy(update=took)
            if (record.reason or "").startswith(NO_MEMORY):
                self.lacked_memory = True
                worker.stop()  # the next run finds the memory that this one's trunks took
        return record

    @property
    def environment(self) -> Environment:
        """Where runs are done. Raises UserError where no worker can start."""
        return self._ready_worker().environment

    def forecast(
        self, plan: Sequence[PlannedRun], on_probe: Callable[[int, int], None]
    ) -> dict[str, Prediction]:
        """Run id -> what a run will take; of a kind whose probe costs the worker its life nothing is forecast.

        Raises UserError where no worker can start.
        """
        without: set[str] = set()
        probed: ForecastProgress | None = None

        def tell(probing: ForecastProgress) -> None:
            nonlocal probed
            probed = probing
            on_probe(probing.done, probing.n)

        while True:
            worker, probed = self._ready_worker(), None
            try:
                return worker.forecast(
                    ForecastTask(tuple(plan), frozenset(without)), tell, self._probe_limit_s
                )
            except WorkerLostError:
                self._worker = None
                if probed is None:
                    return {}
                without.add(probed.kind)

    @property
    def _probe_limit_s(self) -> float:
        """Of the time between two of a worker's messages while it probes."""
        return PROBE_LIMIT_S if self.timeout_s is None else min(PROBE_LIMIT_S, self.timeout_s)

    def _ready_worker(self) -> _Worker:
        """The worker, or a new one if it has died between runs. Raises UserError where none can start."""
        if self._worker is not None and self._worker.process.is_alive():
            return self._worker
        for tries_left in reversed(range(_START_TRIES)):
            try:
                self._worker = _Worker(self.spec, self._interrupted)
                break
            except WorkerLostError as lost:  # it may have been killed like any other
                if not tries_left:
                    raise CannotStartError(f"no worker process can start: {lost}") from lost
        assert self._worker is not None
        return self._worker


class _Worker:
    """The supervisor's end of one worker process."""

    def __init__(self, spec: SessionSpec, interrupted: connections.Connection) -> None:
        """Start it, and wait until it is ready. Raises WorkerLostError, and UserError for what a user can fix.

        interrupted: has something to read once nobody is to wait any longer.
        """
        context = multiprocessing.get_context("spawn")  # a forked child of a process with threads may hang
        self.connection, far_end = context.Pipe()
        self._output, output = context.Pipe(duplex=False)
        self._interrupted = interrupted
        self._streams = [self.connection, self._output, interrupted]
        self.tail = Tail()
        # A daemon may not start processes; a worker that does ends with its connection all the same.
        daemon = spec.nproc == 1
        self.process = context.Process(target=work, args=(spec, far_end, output), daemon=daemon)
        resource_tracker.ensure_running()  # as it is started it would take the next line back
        before = signal.pthread_sigmask(signal.SIG_BLOCK, OF_ALL)
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        far_end.close()
        output.close()
        try:
            first = self._next(None)
        except BaseException:  # it is lost, or Ctrl-C while torch is loading
            self.stop()
            raise
        if isinstance(first, Refused):
            self.stop()
            raise UserError(first.message)
        assert isinstance(first, Ready)
        self.environment = first.environment

    def run(self, planned: PlannedRun, on_epoch: OnEpoch, timeout_s: float | None) -> Record:
        """Have a run done. Raises WorkerLostError if the worker dies, or is stopped as it takes too long.

        Raises RefusedRunError for what the user has to change.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with contextlib.suppress(OSError):  # if it has just died, the next line says how
            self.connection.send(planned)
        while True:
            try:
                message = self._next(deadline)
            except TimeoutError:
                self._stop_hanging()
                raise WorkerLostError(f"timeout: stopped, as it was not done after {timeout_s:g} s") from None
            if isinstance(message, Record):
                self._read_output()
                return message
            if isinstance(message, Refused):
                raise RefusedRunError(message.message)
            assert isinstance(message, Epoch)
            on_epoch(message)

    def forecast(
        self, asked: ForecastTask, on_probe: Callable[[ForecastProgress], None], limit_s: float
    ) -> dict[str, Prediction]:
        """Have a plan forecast. Raises WorkerLostError if the worker dies over it, or is silent for too long."""
        with contextlib.suppress(OSError):
            self.connection.send(asked)
        while True:
            try:
                message = self._next(time.monotonic() + limit_s)
            except TimeoutError:
                self.stop()
                raise WorkerLostError(f"a probe was not done after {limit_s:g} s") from None
            if not isinstance(message, ForecastProgress):
                return dict(message)
            on_probe(message)

    def stop(self) -> None:
        """End the process at once: it has nothing to save. A second call does nothing."""
        if self.connection.closed:
            return
        self.process.kill()
        self.process.join(_EXIT_S)
        self._read_output()
        self.connection.close()
        self._output.close()

    def _next(self, deadline: float | None) -> Any:
        """The next message; output is read meanwhile. Raises WorkerLostError, TimeoutError, StoppedError."""
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            ready = connections.wait(self._streams, left)
            if self._interrupted in ready:
                raise StoppedError
            if self._output in ready:
                self._read_output()
            if self.connection in ready:
                try:
                    return self.connection.recv()
                except (EOFError, OSError):
                    raise self._how_it_ended() from None

    def _read_output(self) -> None:
        """All that is there now, without waiting for more."""
        while self._output in self._streams and connections.wait([self._output], 0):
            read = os.read(self._output.fileno(), 2**16)
            self.tail.add(read)
            if not read:  # nobody is left who could write
                self._streams.remove(self._output)

    def _stop_hanging(self) -> None:
        """Have it say where it is (faulthandler answers this signal), and stop it."""
        if self.process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGUSR1)
        connections.wait([self.process.sentinel], _TRACEBACK_S)
        self.stop()

    def _how_it_ended(self) -> WorkerLostError:
        self.process.join(_EXIT_S)
        self.stop()
        code = self.process.exitcode
        if code is not None and code < 0:
            return WorkerLostError(death_of(code), killed=code == -signal.SIGKILL)
        said = (self.tail.lines or ["it said nothing"])[-1]
        return WorkerLostError(f"its process {death_of(code)}: {said}")
