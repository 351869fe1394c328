"""Jobs as tasks of a Ray cluster. Records and events come back to this process; no folder is shared. No torch here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from math import inf
from pathlib import Path
from typing import Any, Self

from bench.records.record import Environment, Record
from bench.records.scrub import scrub
from bench.run.environment import n_threads
from bench.run.executors.base import CannotWork, Event, Job, JobEnded, JobLost
from bench.run.executors.grouping import grouped, in_order
from bench.run.executors.parcel import pack
from bench.run.executors.ray_needs import Needs, Node, needs_of, resources
from bench.run.executors.ray_worker import Place
from bench.run.jobs import is_small
from bench.run.outcome import NO_MEMORY
from bench.run.supervisor import CannotStartError
from bench.run.worker import SessionSpec
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.errors import UserError, error_line
from gptcore.extras import require
from gptcore.recipe import Recipe

AHEAD = 2  # jobs in flight for each that can go at a time: a worker that is free has the next one there
LOOK_S = 10.0  # between two looks at which machines there are
LOST = "its worker process or its machine was lost"


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

        if address is None:  # Ray reads the variable when it is imported, which may have been before
            ray._private.ray_constants.ENABLE_RAY_CLUSTER = False

        self._nodes: list[Node] = []
        self._looked = -inf
        more = {"num_cpus": n_threads(), "include_dashboard": False} if address is None else {}
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **more)
        except Exception as error:  # Ray raises no other where its processes have not started after 30 s
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            if address is None:
                raise UserError(
                    f"--executor ray: Ray cannot start on this machine ({said.rstrip('.')}): try again when it is less "
                    "busy, or use --executor local"
                ) from error
            raise UserError(
                f"--address {address}: no Ray cluster can be used there ({said}): start one with `ray start --head` "
                "and name its HOST:PORT; if it has ~/.ray/auth_token, copy that here and set RAY_AUTH_MODE=token"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        ray.shutdown()

    def nodes(self) -> list[Node]:
        """The resources of each machine that was there when this last looked; before, while all of them are gone."""
        import ray

        if time.monotonic() - self._looked > LOOK_S:
            found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            self._nodes, self._looked = found or self._nodes, time.monotonic()
        return self._nodes

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
        """As many as the cluster has room for where each has what it needs, see `needs_of`."""
        if asked not in ("1", "auto"):
            raise UserError(f"--jobs {asked}: with --executor ray the cluster's size decides: leave it out")
        nodes = self.nodes()
        backbones = {recipe.backbone for recipe in recipes}
        kinds = {needs_of([each], device, nodes) for each in backbones} or {needs_of([], device, nodes)}
        slots = {needs: needs.slots(nodes) for needs in kinds}
        if not all(slots.values()):
            raise UserError("--executor ray: no machine of the cluster has a core to spare: add one")
        return max(slots.values())

    def threads(self, jobs: int) -> int | None:  # noqa: ARG002 (the protocol's)
        """Each task has its own."""
        return None

    def open(
        self,
        spec: SessionSpec,
        folder: Path,  # noqa: ARG002 (the protocol's)
        timeout_s: float | None,
    ) -> RayExecutor:
        """An executor on this cluster; the data are sent to each machine once."""
        return RayExecutor(self, spec, timeout_s)


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
        self._kinds: set[Needs] = set()  # of all jobs so far
        self._environments: dict[str | None, Environment] = {}  # backbone -> where it was measured
        self._is_small = cache(is_small)  # it may have to read a file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        for task in self._flying:
            with suppress(ray.exceptions.RayError):
                ray.cancel(task, force=True)
        self._flying.clear()

    def environment(self, recipe: Recipe) -> Environment | None:
        """Of a machine with room for such a run, as first asked; None where none has it. Raises UserError."""
        backbone = recipe.backbone
        if backbone not in self._environments:
            needs = self._needs({backbone})
            if not needs.slots(self.cluster.nodes()):
                return None
            [(self._environments[backbone], _)] = self._measure({needs: ()})
        return self._environments[backbone]

    def forecast(
        self,
        plan: Sequence[PlannedRun],
        on_probe: Callable[[int, int], None],  # noqa: ARG002 (the protocol's)
    ) -> dict[str, Prediction]:
        """Measured by one of the machines for each kind of task."""
        kinds = self._alike(plan)
        predictions: dict[str, Prediction] = {}
        for alike, (environment, part) in zip(kinds.values(), self._measure(kinds), strict=True):
            self._environments |= {run.recipe.backbone: environment for run in alike}
            predictions |= part
        return predictions

    def _measure(
        self, kinds: Mapping[Needs, tuple[PlannedRun, ...]]
    ) -> list[tuple[Environment, dict[str, Prediction]]]:
        import ray

        tasks = []
        for needs, alike in kinds.items():
            task = self._forecast.options(**resources(Job(0, alike), needs, self.cluster.nodes()))
            tasks.append(task.remote(self._parcel, alike, self._place(needs), self.timeout_s))
        try:
            found: list[tuple[Environment, dict[str, Prediction]]] = ray.get(tasks)
        except ray.exceptions.RayError as error:
            cause = error.cause if isinstance(error, ray.exceptions.RayTaskError) else None
            said = str(cause) if isinstance(cause, UserError) else f"no run can be forecast: {_reason(error)}"
            raise UserError(said) from error
        return found

    def group(
        self, runs: Sequence[PlannedRun], predictions: Mapping[str, Prediction]
    ) -> list[tuple[PlannedRun, ...]]:
        """Runs that share a trunk are a task, so that it is computed on one machine and kept there."""
        nodes = self.cluster.nodes()
        jobs: list[tuple[PlannedRun, ...]] = []
        for needs, alike in self._alike(runs).items():
            self._kinds.add(needs)
            jobs += grouped(alike, predictions, max(1, needs.slots(nodes)))
        return in_order(jobs, runs)

    def room(self) -> int:
        """So many that no worker waits for the next one."""
        slots = max((needs.slots(self.cluster.nodes()) for needs in self._kinds), default=0)
        return AHEAD * max(1, slots) - len(self._flying)

    def submit(self, jobs: Sequence[Job], seen: Mapping[str, Record]) -> None:  # noqa: ARG002
        """Each as a task, which asks for the cores, the GPU and the memory that it needs."""
        for job in jobs:
            needs = self._needs({run.recipe.backbone for run in job.runs})
            task = self._do.options(**resources(job, needs, self.cluster.nodes()))
            self._flying[task.remote(self._parcel, job, self._place(needs), self.timeout_s)] = job.number

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

    def _alike(self, runs: Sequence[PlannedRun]) -> dict[Needs, tuple[PlannedRun, ...]]:
        """The runs by what a task of each needs."""
        needs = {backbone: self._needs({backbone}) for backbone in {run.recipe.backbone for run in runs}}
        found: dict[Needs, list[PlannedRun]] = {}
        for run in runs:
            found.setdefault(needs[run.recipe.backbone], []).append(run)
        return {each: tuple(alike) for each, alike in found.items()}

    def _needs(self, backbones: Collection[str | None]) -> Needs:
        return needs_of(backbones, self.spec.device, self.cluster.nodes(), self._is_small)

    def _place(self, needs: Needs) -> Place:
        """What a worker is to use of its machine."""
        device = self.spec.device if needs.gpus else "cpu"
        return Place(device, needs.cpus, needs.jobs(self.cluster.nodes()))


def _lost(error: Exception) -> Event:
    """What a task's end with an error means: of one machine, unless our code there refuses to work anywhere."""
    import ray

    reason = _reason(error)
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return JobLost(reason, out_of_memory=True)
    if not isinstance(error, ray.exceptions.RayTaskError):
        return JobLost(reason)
    if isinstance(error.cause, UserError) and not isinstance(error.cause, CannotStartError):
        return CannotWork(reason)
    return JobLost(reason, error=True)


def _reason(error: Exception) -> str:
    import ray

    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return f"{NO_MEMORY} on its machine"
    if not isinstance(error, ray.exceptions.RayTaskError):
        return LOST
    if isinstance(error.cause, UserError):
        return str(error.cause)
    return f"its worker failed: {scrub(error_line(error.cause))}"
