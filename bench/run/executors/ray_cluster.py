"""Jobs as tasks of a Ray cluster. Records and events come back to this process; no folder is shared. No torch here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from bench.records.record import Environment, Record
from bench.run.environment import n_threads
from bench.run.executors.base import CannotWork, Event, Job, JobEnded, JobLost
from bench.run.executors.grouping import grouped
from bench.run.executors.parcel import pack
from bench.run.jobs import is_small
from bench.run.worker import SessionSpec
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.errors import UserError
from gptcore.extras import require
from gptcore.recipe import Recipe

AHEAD = 2  # jobs in flight for each that can go at a time: a worker that is free has the next one there
LOOK_S = 10.0  # between two looks at which machines there are
LOST = "its worker process or its machine was lost"
NO_MEMORY = "out of memory on its machine"


@dataclass(frozen=True)
class Share:
    """What each task gets. memory: of the largest machine, in bytes, the most that a task can ask for."""

    cpus: int
    gpus: int
    memory: int

    def at_a_time(self, node: Mapping[str, float]) -> int:
        """Tasks that a machine with these resources can do."""
        by_cpu = int(node.get("CPU", 0)) // self.cpus
        return min(by_cpu, int(node.get("GPU", 0))) if self.gpus else by_cpu


class RayCluster:
    """A cluster, or this machine as one, which listens on the loopback interface alone and ends with this process."""

    sharing = False

    def __init__(self, address: str | None) -> None:
        """address: HOST:PORT or auto; None: this machine. Raises UserError where no cluster answers."""
        require("ray", "--executor ray", "ray")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if address is None:
            # Ray then takes 127.0.0.1 for this machine's address, so that nothing outside it can connect.
            os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        import ray

        self._share: Share | None = None
        more = {"num_cpus": n_threads(), "include_dashboard": False} if address is None else {}
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **more)
        except (ConnectionError, ValueError, RuntimeError) as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"--address {address}: no Ray cluster can be used there ({said}): start one with `ray start --head`, "
                "and name its HOST:PORT"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        ray.shutdown()

    def nodes(self) -> list[Mapping[str, float]]:
        """The resources of each machine that is there."""
        import ray

        return [node["Resources"] for node in ray.nodes() if node["Alive"]]

    def has_cuda(self) -> bool:
        """Whether a machine of the cluster has a GPU."""
        return any(node.get("GPU", 0) >= 1 for node in self.nodes())

    def free_bytes(self, device: str) -> int:
        """Memory of the machine that has most, or of a GPU of the cluster."""
        if device == "cpu":
            return int(max(node.get("memory", 0) for node in self.nodes()))
        import ray

        from bench.run.executors.ray_worker import free_bytes

        return int(ray.get(ray.remote(num_cpus=0, num_gpus=1)(free_bytes).remote(device)))

    def n_jobs(self, asked: str, recipes: Iterable[Recipe], device: str) -> int:
        """As many as the cluster has room for: a GPU each, or a core each where models are small, else a machine."""
        if asked not in ("1", "auto"):
            raise UserError(f"--jobs {asked}: with --executor ray the cluster's size decides: leave it out")
        nodes = self.nodes()
        memory = int(max(node.get("memory", 0) for node in nodes))
        if device == "cpu":
            small = all(map(is_small, recipes))
            cpus = 1 if small else int(min(node["CPU"] for node in nodes if node.get("CPU", 0) >= 1))
            self._share = Share(cpus, 0, memory)
        else:
            per_gpu = [node.get("CPU", 0) / node["GPU"] for node in nodes if node.get("GPU", 0) >= 1]
            self._share = Share(max(1, int(min(per_gpu))), 1, memory)
        jobs = self.slots()
        if not jobs:
            raise UserError("--executor ray: no machine of the cluster has a core to spare: add one")
        return jobs

    @property
    def share(self) -> Share:
        """Of each task, as `n_jobs` decided."""
        assert self._share is not None
        return self._share

    def slots(self) -> int:
        """How many tasks go at a time now."""
        return sum(map(self.share.at_a_time, self.nodes()))

    def threads(self, jobs: int) -> int | None:  # noqa: ARG002 (the protocol's)
        """As many as a task has cores."""
        return self.share.cpus

    def open(
        self,
        spec: SessionSpec,
        folder: Path,  # noqa: ARG002 (the protocol's)
        timeout_s: float | None,
    ) -> RayExecutor:
        """An executor on this cluster; the data are sent to each machine once."""
        at_most = max(map(self.share.at_a_time, self.nodes()))
        return RayExecutor(self, replace(spec, jobs=max(1, at_most)), timeout_s)


class RayExecutor:
    """Jobs as tasks: Ray finds a machine with what they need, and says when it has lost one."""

    shares_folder = False

    def __init__(self, cluster: RayCluster, spec: SessionSpec, timeout_s: float | None) -> None:
        import ray

        from bench.run.executors import ray_worker

        self.cluster, self.spec, self.timeout_s = cluster, spec, timeout_s
        self._parcel = ray.put(pack(spec, ray.put))
        self._do = ray.remote(max_retries=0, num_returns="streaming")(ray_worker.do)
        self._forecast = ray.remote(max_retries=1)(ray_worker.forecast)
        self._flying: dict[Any, int] = {}  # what a task yields -> the number of its job
        self._environment: Environment | None = None
        self._slots, self._looked = cluster.slots(), time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        for task in self._flying:
            with suppress(ray.exceptions.RayError):
                ray.cancel(task, force=True)
        self._flying.clear()

    @property
    def environment(self) -> Environment:
        """Of one of the machines. Raises UserError."""
        if self._environment is None:
            self.forecast([], lambda *_: None)
        assert self._environment is not None
        return self._environment

    def forecast(
        self,
        plan: Sequence[PlannedRun],
        on_probe: Callable[[int, int], None],  # noqa: ARG002 (the protocol's)
    ) -> dict[str, Prediction]:
        """Measured by one of the machines."""
        import ray

        try:
            task = self._forecast.options(**self._needs(None)).remote(
                self._parcel, tuple(plan), self.timeout_s
            )
            self._environment, found = ray.get(task)
        except ray.exceptions.RayError as error:
            raise UserError(_cause(error) or f"no run can be forecast: {LOST}") from error
        return dict(found)

    def group(
        self, runs: Sequence[PlannedRun], predictions: Mapping[str, Prediction]
    ) -> list[tuple[PlannedRun, ...]]:
        """Runs that share a trunk are a task, so that it is computed on one machine and kept there."""
        return grouped(runs, predictions, self._n_slots())

    def room(self) -> int:
        """So many that no worker waits for the next one."""
        return AHEAD * self._n_slots() - len(self._flying)

    def submit(self, jobs: Sequence[Job], seen: Mapping[str, Record]) -> None:  # noqa: ARG002
        """Each as a task, which asks for cores, a GPU and memory."""
        for job in jobs:
            task = self._do.options(**self._needs(job.memory_bytes))
            self._flying[task.remote(self._parcel, job, self.timeout_s)] = job.number

    def events(self, timeout_s: float) -> list[tuple[int, Event]]:
        """Of each job in the order in which they happened."""
        import ray

        found: list[tuple[int, Event]] = []
        ready, _ = ray.wait(list(self._flying), num_returns=len(self._flying), timeout=0, fetch_local=False)
        if not ready:
            ready, _ = ray.wait(list(self._flying), num_returns=1, timeout=timeout_s, fetch_local=False)
        for task in ready:
            number = self._flying[task]
            try:
                events = ray.get(next(task))
            except StopIteration:
                found.append((number, JobEnded()))
            except ray.exceptions.RayError as error:
                found.append((number, _lost(error)))
            else:
                found += [(number, event) for event in events]
                continue
            del self._flying[task]
        return found

    def _needs(self, memory_bytes: int | None) -> dict[str, Any]:
        share = self.cluster.share
        memory = {} if memory_bytes is None else {"memory": min(memory_bytes, share.memory)}
        return {"num_cpus": share.cpus, "num_gpus": share.gpus, **memory}

    def _n_slots(self) -> int:
        """Tasks at a time on the machines that are there; at least 1 while all of them are gone."""
        if time.monotonic() - self._looked > LOOK_S:
            self._slots, self._looked = self.cluster.slots(), time.monotonic()
        return max(1, self._slots)


def _lost(error: Exception) -> Event:
    """What a task's end with an error means."""
    import ray

    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return JobLost(NO_MEMORY, out_of_memory=True)
    if (cause := _cause(error)) is not None:
        return CannotWork(cause)
    return JobLost(LOST)


def _cause(error: Exception) -> str | None:
    """What our code on a machine complained about; None where Ray itself did."""
    import ray

    if not isinstance(error, ray.exceptions.RayTaskError):
        return None
    if isinstance(error.cause, UserError):
        return str(error.cause)
    return (
        f"a machine of the cluster cannot do runs ({type(error.cause).__name__}: {error.cause}): see its logs"
    )
