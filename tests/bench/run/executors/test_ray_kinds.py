"""Several kinds of task in one study, on a made-up cluster. No Ray."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench.records.record import Environment, Record
from bench.run.executors import ray_cluster
from bench.run.executors.base import Job
from bench.run.executors.ray_cluster import RayCluster, RayExecutor
from bench.run.executors.ray_needs import Node
from bench.run.jobs import is_small
from bench.run.worker import SessionSpec
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset
from gptcore.recipe import Recipe, Seeds

NANO, TFIDF = Recipe(model="nano"), Recipe(model="tfidf")
GPU = {"CPU": 16.0, "GPU": 2.0, "memory": 64e9}
PLAN = [PlannedRun((), recipe, seed, Seeds(), "todo") for seed in range(4) for recipe in (NANO, TFIDF)]


class MadeUpRay(SimpleNamespace):
    """A Ray whose tasks end at once. asked: the device for which each was."""

    def __init__(self, place: Environment) -> None:
        super().__init__(put=lambda what: what, get=lambda tasks: tasks, cancel=lambda *_, **__: None)
        self.exceptions = SimpleNamespace(RayError=OSError)
        self.place, self.asked = place, list[str]()

    def remote(self, **_: Any) -> Callable[[Any], Any]:
        return lambda _: SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self.done))

    def done(self, _parcel: object, _runs: object, place: ray_cluster.Place, _limit: object) -> Any:
        self.asked.append(place.device)
        return MadeUpTask((self.place.model_copy(update=vars(place)), {}))


class MadeUpTask(tuple[Environment, dict[str, object]]):
    """What it yields, as something that is no other task's."""

    __hash__ = object.__hash__


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch, toy_record: Callable[..., Record]) -> MadeUpRay:
    made_up = MadeUpRay(toy_record().environment)
    monkeypatch.setitem(sys.modules, "ray", made_up)
    return made_up


def executor_on(*nodes: Node) -> RayExecutor:
    data = Dataset.from_texts([f"text {i}" for i in range(20)], ["ham", "spam"] * 10)
    cluster = cast(RayCluster, SimpleNamespace(nodes=lambda: nodes))
    return RayExecutor(cluster, SessionSpec(data, "fast", "float32", "cuda"), None)


def devices(executor: RayExecutor, recipes: Sequence[Recipe]) -> list[tuple[str, int, int]]:
    found = [executor.environment(recipe) for recipe in recipes]
    return [(each.device, each.threads, each.jobs) for each in found if each is not None]


@pytest.mark.parametrize("forecast", [True, False])
def test_each_kind_of_run_has_an_environment_of_its_own(ray: MadeUpRay, forecast: bool) -> None:
    executor = executor_on(GPU)
    if forecast:
        executor.forecast(PLAN, lambda *_: None)
        assert len(ray.asked) == 2
    assert devices(executor, [TFIDF, NANO, TFIDF]) == [("cpu", 1, 16), ("cuda", 8, 2), ("cpu", 1, 16)]
    assert sorted(ray.asked) == ["cpu", "cuda"]  # each was asked for once


def test_a_kind_for_which_no_machine_has_room_is_not_waited_for(ray: MadeUpRay) -> None:
    executor = executor_on({"CPU": 4.0, "memory": 16e9})
    assert executor.environment(NANO) is None
    assert devices(executor, [TFIDF]) == [("cpu", 1, 4)]
    assert ray.asked == ["cpu"]


def test_a_lost_machine_changes_no_environment(ray: MadeUpRay) -> None:
    executor = executor_on(GPU, {"CPU": 4.0, "memory": 16e9})
    executor.forecast(PLAN, lambda *_: None)
    before = devices(executor, [NANO, TFIDF])
    executor.cluster = executor_on({"CPU": 4.0, "memory": 16e9}).cluster
    assert (
        devices(executor, [NANO, TFIDF]) == before
    )  # a run that was lost with its machine waits for no other
    assert len(ray.asked) == 2


@pytest.mark.usefixtures("ray")
def test_jobs_of_all_kinds_are_in_the_order_of_the_plan() -> None:
    jobs = executor_on(GPU).group(PLAN, {})
    assert sorted(run.run_id for job in jobs for run in job) == sorted(run.run_id for run in PLAN)
    first = [PLAN.index(job[0]) for job in jobs]
    assert first == sorted(first)


@pytest.mark.usefixtures("ray")
def test_a_model_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: Counter[str | None] = Counter()

    def count(backbone: str | None) -> bool:
        looks[backbone] += 1
        return is_small(backbone)

    monkeypatch.setattr(ray_cluster, "is_small", count)
    executor = executor_on({"CPU": 4.0, "memory": 16e9})
    executor.spec = SessionSpec(executor.spec.data, "fast", "float32", "cpu")
    executor.forecast(PLAN, lambda *_: None)
    executor.submit([Job(i, job) for i, job in enumerate(executor.group(PLAN, {}))], {})
    assert looks == {"nano": 1, None: 1}
