"""Several processes of this machine that do one piece of work together: started, heard, and ended together.

Imports torch only in those processes. They talk over the loopback interface alone; where one fails, is killed or no
longer takes part, all are ended.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import connection as connections
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol

import psutil

from gptcore.errors import UserError, error_line

if TYPE_CHECKING:
    from gptcore.engine.sharded import Team

KILLED = "killed (SIGKILL), as the system does to a process when memory runs out"
SILENCE_S = 600.0  # how long a process waits for another one before it fails
GRACE_S = 1.0  # after a first failure, for the one that caused it to be heard as well
_EXIT_S = 10.0


class Work(Protocol):
    """What every process of a team does, at the same time. Picklable; all must return or raise alike."""

    def __call__(self, team: Team, device: str, tell: Callable[[object], None]) -> Any:
        """device: of this process; tell: sends something to whoever started the team, from rank 0."""


class TeamError(Exception):
    """A process of a team has failed or is gone: the message says which and how, in a line."""


@dataclass(frozen=True)
class _Said:
    """What `tell` was given."""

    what: object


@dataclass(frozen=True)
class _Done:
    """The work is done. found: what rank 0 returned."""

    found: object


@dataclass(frozen=True)
class _Failed:
    """The work raised an error. by_user: one that the user has to fix; died: the process is gone without a word."""

    message: str
    by_user: bool = False
    died: bool = False


def in_team(
    n: int,
    device: str,
    work: Work,
    hear: Callable[[Any], None] = lambda _: None,
    threads: int | None = None,
    silence_s: float = SILENCE_S,
) -> Any:
    """Have `n` processes do a piece of work; returns what rank 0 returned.

    device: "cpu", or "cuda" for one GPU each; hear: called with what rank 0 tells; threads: of each process, None for
    as many as torch likes. Raises UserError as the work does, TeamError where a process fails in another way, is
    killed, or keeps the others waiting for `silence_s`.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as to_end:
        context = multiprocessing.get_context("spawn")
        ends: list[Connection] = []
        processes: list[SpawnProcess] = []
        to_end.callback(_end, processes, ends)
        for rank in range(n):
            end, far_end = context.Pipe()
            place = _Place(rank, n, device, threads, Path(folder) / "store", silence_s)
            process = context.Process(target=_member, args=(work, place, far_end), daemon=True)
            ends.append(end)
            process.start()
            far_end.close()
            processes.append(process)
        return _result(processes, ends, hear)


def _result(
    processes: Sequence[SpawnProcess], ends: Sequence[Connection], hear: Callable[[Any], None]
) -> Any:
    """What rank 0 returned, once all are done. Raises as `in_team` does."""
    n, found, failures = len(ends), None, dict[int, _Failed]()
    open_ends = {end: rank for rank, end in enumerate(ends)}
    while open_ends:
        ready = connections.wait(list(open_ends), GRACE_S if failures else None)
        if failures and not ready:
            break
        for end in ready:
            assert isinstance(end, Connection)
            rank = open_ends[end]
            try:
                message = end.recv()
            except (EOFError, OSError):
                processes[rank].join(_EXIT_S)
                message = _Failed(death_of(processes[rank].exitcode), died=True)
            if isinstance(message, _Said):
                hear(message.what)
                continue
            del open_ends[end]
            if isinstance(message, _Failed):
                failures[rank] = message
            elif rank == 0:
                found = message.found
    if failures:
        raise _error(failures, n)
    return found


def _error(failures: dict[int, _Failed], n: int) -> Exception:
    """Of several failures the one that explains the others: a death, else what was heard first."""
    rank, first = next((found for found in failures.items() if found[1].died), next(iter(failures.items())))
    if first.by_user:
        return UserError(first.message)
    if len(failures) == n and len({failure.message for failure in failures.values()}) == 1:
        return TeamError(first.message)
    return TeamError(f"process {rank + 1} of {n}: {first.message}")


def death_of(code: int | None) -> str:
    """How a process ended, in words. code: its exit code, -n where signal n ended it."""
    if code == -signal.SIGKILL:
        return KILLED
    if code is not None and code < 0:
        return f"crashed ({signal.strsignal(-code)})"
    return f"ended with exit code {code}"


def _end(processes: Sequence[SpawnProcess], ends: Sequence[Connection]) -> None:
    """End them at once: they have nothing to save any more."""
    for process in processes:
        process.kill()
    for process in processes:
        process.join(_EXIT_S)
    for end in ends:
        end.close()


@dataclass(frozen=True)
class _Place:
    """Of a process in its team, see `in_team`. store: the file in which they find each other."""

    rank: int
    n: int
    device: str
    threads: int | None
    store: Path
    silence_s: float


def _member(work: Work, place: _Place, connection: Connection) -> None:
    """One process of a team: does its part, says how that went, and stays until it is ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; one answers it
    watch = Thread(target=_end_with, args=(connection,), daemon=True)
    watch.start()
    try:
        found = _do(work, place, lambda what: connection.send(_Said(what)))
        connection.send(_Done(found if place.rank == 0 else None))
    except TeamError as error:
        connection.send(_Failed(str(error)))
    except UserError as error:
        connection.send(_Failed(str(error), by_user=True))
    except BaseException as error:
        traceback.print_exc()
        connection.send(_Failed(error_line(error)))
    # Who leaves early makes the others fail, and hides why.
    watch.join()


def _do(work: Work, place: _Place, tell: Callable[[object], None]) -> Any:
    os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = _loopback()

    import torch
    import torch.distributed as dist

    from gptcore.engine.sharded import Team

    if place.threads is not None:
        torch.set_num_threads(place.threads)
    device, backend = place.device, "gloo"
    if device == "cuda":
        if (n_gpus := torch.cuda.device_count()) < place.n:
            raise UserError(f"--nproc {place.n}: one GPU for each process, but there are {n_gpus}")
        torch.cuda.set_device(place.rank)
        device, backend = f"cuda:{place.rank}", "nccl"
    dist.init_process_group(
        backend,
        # A URL would encode blanks, and be read undecoded.
        store=dist.FileStore(str(place.store), place.n),  # type: ignore[attr-defined]
        rank=place.rank,
        world_size=place.n,
        timeout=timedelta(seconds=place.silence_s),
    )
    return work(Team(place.rank, place.n), device, tell if place.rank == 0 else lambda _: None)


def _end_with(connection: Connection) -> None:
    """End this process when the one that started it closes the connection, or is gone."""
    try:
        connection.recv()
    except (EOFError, OSError):
        os._exit(1)


def _loopback() -> str:
    """Name of the interface that only this machine sees. Raises UserError where there is none."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(address.address == "127.0.0.1" for address in addresses):
            return name
    raise UserError("--nproc: this machine has no loopback interface, over which its processes would talk")
