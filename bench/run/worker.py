"""The process that computes runs, one after the other, and keeps the engine's trunks between them.

It writes no records, and ends as soon as the supervisor's end of the connection closes, for whatever reason. Imports
torch only when it starts to work.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Literal

from bench.records.record import Environment, Record
from bench.run.outcome import RefusedRunError
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.recipe import Recipe

if TYPE_CHECKING:
    from bench.run.runner import Session


@dataclass(frozen=True)
class SessionSpec:
    """The arguments of a worker's session, see `runner.open_session`.

    jobs: workers at a time; threads: of each, None for as many as torch likes; measures_serving: whether trained
    classifiers are timed; free_bytes: a recipe that needs more by itself is not timed in a forecast, None for no limit;
    nproc: processes that compute a run together, each with `threads`; gpu: the only one that the worker sees, as
    CUDA_VISIBLE_DEVICES names it, None for all.
    """

    data: Dataset
    engine: Literal["fast", "plain"]
    precision: Literal["auto", "float32", "bfloat16"]
    device: str
    verify: bool = False
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    baseline: Recipe | None = None
    jobs: int = 1
    threads: int | None = None
    measures_serving: bool = True
    free_bytes: int | None = None
    nproc: int = 1
    gpu: str | None = None


@dataclass(frozen=True)
class Ready:
    """The first message of a worker that is ready."""

    environment: Environment


@dataclass(frozen=True)
class Refused:
    """Sent instead of `Ready` or of a run's record: an error that the user has to fix."""

    message: str


@dataclass(frozen=True)
class ForecastTask:
    """Asks for forecasts of a plan's runs; answered with many `ForecastProgress`, then predictions by run id.

    without: kinds of recipes to leave out.
    """

    plan: tuple[PlannedRun, ...]
    without: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ForecastProgress:
    """A kind of recipe is being timed; `done` of `n` have been timed."""

    kind: str
    done: int
    n: int


def work(spec: SessionSpec, connection: Connection, output: Connection) -> None:
    """Process incoming tasks: a run is answered with its epochs and its record. Never returns.

    output: receives everything that this process and its children print.
    """
    for standard in (1, 2):
        os.dup2(output.fileno(), standard)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)  # the supervisor asks where it hangs
    asked: SimpleQueue[PlannedRun | ForecastTask] = SimpleQueue()
    Thread(target=_receive, args=(connection, asked), daemon=True).start()

    # Both are read when torch is loaded.
    if spec.threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(spec.threads)
    if spec.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = spec.gpu

    from bench.run.probing import forecast_here
    from bench.run.runner import environment_of, open_session

    try:
        session = open_session(
            *(spec.data, spec.engine, spec.precision, spec.device),
            verify=spec.verify,
            checkpoints=spec.checkpoints,
            baseline=spec.baseline,
            jobs=spec.jobs,
            measures_serving=spec.measures_serving,
            nproc=spec.nproc,
        )
    except UserError as error:
        connection.send(Refused(str(error)))
        return
    connection.send(Ready(environment_of(session)))
    while True:
        task = asked.get()
        if isinstance(task, ForecastTask):
            predictions = forecast_here(
                task.plan,
                session,
                lambda *at: connection.send(ForecastProgress(*at)),
                task.without,
                spec.free_bytes,
            )
            connection.send(predictions)
        else:
            connection.send(_answer(task, spec, session, connection))


def _answer(run: PlannedRun, spec: SessionSpec, session: Session, connection: Connection) -> Record | Refused:
    from bench.run.runner import environment_of, run_one
    from bench.run.together import run_together

    try:
        if spec.nproc > 1:
            return run_together(run, spec, environment_of(session), connection.send)
        return run_one(run, session, connection.send)
    except RefusedRunError as error:
        return Refused(str(error))


def _receive(connection: Connection, asked: SimpleQueue[PlannedRun | ForecastTask]) -> None:
    """Receive tasks, and end the process when the supervisor is gone, even during a run."""
    while True:
        try:
            asked.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)
