"""What jobs ask of machines of a cluster. No Ray."""

import pytest

from bench.run.executors.base import Job
from bench.run.executors.ray_needs import Needs, needs_of, resources
from bench.study.plan import PlannedRun
from gptcore.recipe import Recipe, Seeds

SMALL, LARGE, TFIDF = "nano", "gpt2", None
HEAD = {"memory": 4e9, "CPU": 0.0}
CPUS = [HEAD, {"CPU": 8.0, "memory": 32e9}, {"CPU": 4.0, "memory": 16e9}]
GPUS = [HEAD, {"CPU": 16.0, "GPU": 2.0, "memory": 64e9}, {"CPU": 8.0, "memory": 32e9}]
RUNS = (PlannedRun((), Recipe(model=SMALL), 0, Seeds(), "todo"),)


@pytest.mark.parametrize(
    ("backbones", "device", "nodes", "needs", "slots"),
    [
        ([SMALL], "cpu", CPUS, Needs(1, 0), 12),
        ([TFIDF, SMALL], "cpu", CPUS, Needs(1, 0), 12),
        ([LARGE], "cpu", CPUS, Needs(4, 0), 3),
        ([SMALL], "cuda", GPUS, Needs(8, 1), 2),
        ([LARGE], "cuda", GPUS, Needs(8, 1), 2),
        ([TFIDF], "cuda", GPUS, Needs(1, 0), 24),
        ([], "cpu", CPUS, Needs(1, 0), 12),
    ],
)
def test_each_kind_of_job_asks_for_what_it_uses(
    backbones: list[str | None], device: str, nodes: list[dict[str, float]], needs: Needs, slots: int
) -> None:
    assert needs_of(backbones, device, nodes) == needs
    assert needs.slots(nodes) == slots


def test_how_many_share_a_machine() -> None:
    assert Needs(4, 0).jobs(CPUS) == 2
    assert Needs(1, 1).jobs(CPUS) == 1  # it waits for one that has a GPU


@pytest.mark.parametrize(
    ("memory", "more", "needs", "asked"),
    [
        (10**9, False, Needs(1, 0), {"memory": 10**9}),
        (10**12, True, Needs(1, 0), {"memory": 32 * 10**9}),  # the most that a task can get
        (None, False, Needs(1, 0), {}),
        (None, True, Needs(1, 0), {"memory": 32 * 10**9}),
        (10**9, False, Needs(1, 1), {}),  # of the GPU, not of the machine
        (10**9, True, Needs(1, 1), {"memory": 32 * 10**9}),
    ],
)
def test_memory_is_asked_for_where_it_is_the_machine_s(
    memory: int | None, more: bool, needs: Needs, asked: dict[str, int]
) -> None:
    found = resources(Job(0, RUNS, memory, more), needs, CPUS)
    assert found == {"num_cpus": needs.cpus, "num_gpus": needs.gpus} | asked
