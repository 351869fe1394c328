"""How many runs go at a time on this machine, and the processes that do them. Imports no torch."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from bench.records.record import Record
from bench.run.environment import n_threads
from bench.run.execute import execute
from bench.run.supervisor import Supervisor
from bench.run.worker import SessionSpec
from bench.study.forecast import Prediction, with_prediction
from bench.study.plan import PlannedRun
from gptcore.backbones.checkpoints import known_config
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.result import Epoch, OnEpoch

# A model with more parameters keeps all cores of a machine busy by itself (docs/engine.md has the measurement).
SMALL_MODEL_PARAMS = 30_000_000
_EXIT_S = 10.0

Assist = Callable[[Sequence[PlannedRun], Mapping[str, Record]], None]
_Task = tuple[tuple[PlannedRun, ...], dict[str, Record]]


def n_jobs(asked: str, recipes: Iterable[Recipe], device: str) -> int:
    """Runs at a time, from an option that may say "auto". Raises UserError for what is not a number of 1 or more."""
    if asked == "auto":
        return n_threads() if device == "cpu" and all(map(_is_small, recipes)) else 1
    if not asked.isdecimal() or int(asked) < 1:
        raise UserError(f"--jobs {asked!r}: use auto or a number of runs at a time, from 1")
    jobs = int(asked)
    if device != "cpu" and jobs > 1:
        raise UserError(f"--jobs {jobs}: one run at a time on a GPU: leave it out")
    if jobs > n_threads():
        raise UserError(
            f"--jobs {jobs}: this program may use {n_threads()} of the machine's cores (OMP_NUM_THREADS, or those it "
            "is allowed to run on): use that or less"
        )
    return jobs


def _is_small(recipe: Recipe) -> bool:
    if recipe.backbone is None:
        return True
    config = known_config(recipe.backbone)
    return config is not None and config.n_params <= SMALL_MODEL_PARAMS


@dataclass(frozen=True)
class Share:
    """What an assistant needs: all that the process it assists has. first: where in a seed's runs it starts, 0 to 1."""

    spec: SessionSpec
    folder: Path
    predictions: Mapping[str, Prediction]
    timeout_s: float | None
    first: float


@contextmanager
def assistants(
    spec: SessionSpec, folder: Path, predictions: Mapping[str, Prediction], timeout_s: float | None
) -> Iterator[Assist]:
    """Have `spec.jobs` - 1 processes do runs too, each with a worker of its own, while the block runs.

    The block gets what to call with runs that are to do, and the records that are there. They share the work through
    the folder's locks, as calls of `run` do. Each starts at another place of a seed's runs, so that neighbours, which
    often share a trunk, are done by one process.
    """
    context = multiprocessing.get_context("spawn")
    processes, ends = [], []
    # Ctrl-C reaches every process of a terminal; who assists leaves the answer to this one.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for number in range(1, spec.jobs):
            end, far_end = context.Pipe()
            share = Share(spec, folder, predictions, timeout_s, number / spec.jobs)
            process = context.Process(target=_assist, args=(share, far_end))
            process.start()
            far_end.close()
            processes.append(process)
            ends.append(end)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def assist(plan: Sequence[PlannedRun], seen: Mapping[str, Record]) -> None:
        for end in ends:
            with suppress(OSError):  # it has ended: the others do its share
                end.send((tuple(plan), dict(seen)))

    try:
        yield assist
    finally:
        for process, end in zip(processes, ends, strict=True):
            process.kill()
            process.join(_EXIT_S)
            end.close()


def starting_at(plan: Sequence[PlannedRun], first: float) -> list[PlannedRun]:
    """The plan, seed by seed as before, but each seed's runs from another place on; those before it come last."""
    found: list[PlannedRun] = []
    for _, group in groupby(plan, key=lambda run: run.seed_index):
        runs = list(group)
        at = int(first * len(runs))
        found += runs[at:] + runs[:at]
    return found


class _Silent:
    """A listener that shows nothing: the process that is assisted sees every record."""

    def start(self, run: PlannedRun) -> None: ...
    def epoch(self, epoch: Epoch) -> None: ...
    def end(self, run: PlannedRun, record: Record) -> None: ...
    def refuse(self, run: PlannedRun, reason: str) -> None: ...
    def wait(self, runs: Sequence[PlannedRun]) -> None: ...
    def seed(self, seed_index: int) -> None: ...


def _assist(share: Share, connection: Connection) -> None:
    asked: SimpleQueue[_Task] = SimpleQueue()
    Thread(target=_receive, args=(connection, asked), daemon=True).start()
    with Supervisor(share.spec, share.timeout_s) as supervisor:

        def do(planned: PlannedRun, on_epoch: OnEpoch) -> Record:
            return with_prediction(supervisor.run(planned, on_epoch), share.predictions)

        while True:
            plan, seen = asked.get()
            with suppress(UserError):  # the process that is assisted meets the same error, and reports it
                todo = [run for run in plan if run.state == "todo"]
                execute(starting_at(todo, share.first), share.folder, seen, do, _Silent())


def _receive(connection: Connection, asked: SimpleQueue[_Task]) -> None:
    """Receive tasks, and end this process when the other end is gone, however that process ended."""
    while True:
        try:
            asked.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)
