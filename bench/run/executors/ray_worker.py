"""What runs inside a worker process of a Ray cluster. Imports no torch: a process below this one computes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from queue import Empty, Queue
from threading import Thread

from bench.records.record import Environment
from bench.run.environment import free_memory_bytes
from bench.run.executors.base import Ended, Job, OfRun, run_job
from bench.run.executors.parcel import Parcel, Unpacked, unpack
from bench.run.supervisor import Supervisor
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun


@dataclass(frozen=True)
class Place:
    """What of its machine a worker uses. jobs: how many workers like it go there at a time."""

    device: str
    threads: int
    jobs: int


_Key = tuple[str, Place, float | None, str | None]
_kept: dict[
    _Key, tuple[Unpacked, Supervisor]
] = {}  # the last job's: Ray gives this process one job after another


def do(parcel: Parcel, job: Job, place: Place, timeout_s: float | None) -> Iterator[list[OfRun]]:
    """Do a job, and yield what happens as it happens. Raises UserError."""
    unpacked, supervisor = _open(parcel, place, timeout_s)
    here = unpacked.job(job)
    asked = {run.run_id: wanted for run, wanted in zip(here.runs, job.runs, strict=True)}
    heard: Queue[OfRun | BaseException | None] = Queue()

    def tell(event: OfRun) -> None:
        if isinstance(event, Ended):
            recipe = asked[event.record.run_id].recipe
            heard.put(replace(event, record=unpacked.record(event.record, recipe)))
        else:
            heard.put(replace(event, run_id=asked[event.run_id].run_id))

    def work() -> None:
        try:
            run_job(here, supervisor, tell)
            heard.put(None)
        except BaseException as error:
            supervisor.close()  # it may still be at the run, and would answer the next one with this one's record
            heard.put(error)

    Thread(target=work, daemon=True).start()
    while True:
        found = [heard.get()]
        try:
            while True:
                found.append(heard.get_nowait())
        except Empty:
            pass
        yield [event for event in found if event is not None and not isinstance(event, BaseException)]
        if isinstance(found[-1], BaseException):
            raise found[-1]
        if found[-1] is None:
            return


def forecast(
    parcel: Parcel, plan: Sequence[PlannedRun], place: Place, timeout_s: float | None
) -> tuple[Environment, dict[str, Prediction]]:
    """Where runs are done here, and what they will take. Raises UserError."""
    unpacked, supervisor = _open(parcel, place, timeout_s)
    here = unpacked.job(Job(0, tuple(plan))).runs
    found = supervisor.forecast(here, lambda *_: None) if here else {}
    names = {run.run_id: asked.run_id for run, asked in zip(here, plan, strict=True)}
    return supervisor.environment, {names[run_id]: prediction for run_id, prediction in found.items()}


def free_bytes(device: str) -> int:
    """Free memory of this machine, or of the GPU that Ray gave this process."""
    return free_memory_bytes(device)


def _open(parcel: Parcel, place: Place, timeout_s: float | None) -> tuple[Unpacked, Supervisor]:
    """Those of the last job where they serve this one too: its worker has loaded torch, and keeps the trunks."""
    key = (parcel.id, place, timeout_s, os.environ.get("CUDA_VISIBLE_DEVICES"))
    if key not in _kept:
        for _, supervisor in _kept.values():
            supervisor.close()
        _kept.clear()
        import ray

        unpacked = unpack(parcel, ray.get)
        spec = replace(unpacked.spec, device=place.device, threads=place.threads, jobs=place.jobs)
        _kept[key] = unpacked, Supervisor(spec, timeout_s)
    return _kept[key]
