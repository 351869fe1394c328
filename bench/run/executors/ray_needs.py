"""What a job asks of a machine of a Ray cluster. Imports neither Ray nor torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.run.executors.base import Job
from bench.run.jobs import is_small

Node = Mapping[str, float]  # Ray's resources of a machine: CPU, GPU, memory in bytes


@dataclass(frozen=True)
class Needs:
    """Of one task. Its process uses so many threads, and a GPU only where it asks for one."""

    cpus: int
    gpus: int

    def at_a_time(self, node: Node) -> int:
        """Tasks that a machine can do."""
        by_cpu = int(node.get("CPU", 0)) // self.cpus
        return min(by_cpu, int(node.get("GPU", 0))) if self.gpus else by_cpu

    def slots(self, nodes: Iterable[Node]) -> int:
        """Tasks that all machines can do at a time."""
        return sum(map(self.at_a_time, nodes))

    def jobs(self, nodes: Iterable[Node]) -> int:
        """Tasks on the machine that has room for most of them; at least 1."""
        return max(1, max(map(self.at_a_time, nodes), default=0))


def needs_of(
    backbones: Collection[str | None],
    device: str,
    nodes: Iterable[Node],
    small: Callable[[str | None], bool] = is_small,
) -> Needs:
    """Of a job with runs of these models: a core each where they are small, else a GPU with its share of cores.

    On CPUs a large model gets the cores of the smallest machine. TF-IDF, None, needs no GPU.
    """
    nodes = [node for node in nodes if node.get("CPU", 0) >= 1]
    if device != "cpu" and any(backbone is not None for backbone in backbones):
        per_gpu = [node["CPU"] / node["GPU"] for node in nodes if node.get("GPU", 0) >= 1]
        return Needs(max(1, int(min(per_gpu, default=1))), 1)
    if all(map(small, backbones)):
        return Needs(1, 0)
    return Needs(int(min((node["CPU"] for node in nodes), default=1)), 0)


def resources(job: Job, needs: Needs, nodes: Iterable[Node]) -> dict[str, Any]:
    """Options of its task, by Ray's names.

    Memory is that of the machine: the forecast of a run with a GPU is of the GPU's. No task asks for more than the
    largest machine has; one that had too little asks for all of that where no figure is known to double.
    """
    largest = int(max((node.get("memory", 0) for node in nodes), default=0))
    asked = None if needs.gpus else job.memory_bytes
    if asked is None and job.more_memory:
        asked = largest
    memory = {} if asked is None else {"memory": min(asked, largest)}
    return {"num_cpus": needs.cpus, "num_gpus": needs.gpus, **memory}
