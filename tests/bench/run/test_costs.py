"""Seconds of runs from runs before them; a trunk that several share counts once."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.records.record import Cost, Record
from bench.run.costs import Costs, spent_s
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.recipe import Recipe, Seeds
from tests.bench.toys import make_cost

BLOCK, HEAD, FIRST = Recipe(), Recipe(train="last_layer"), Recipe(padding="left")


def cost(trunk: float, own: float, borrowed: float) -> Cost:
    phases = {"trunk": trunk, "train": own}
    return make_cost(trunk + own, phases=phases, standalone_s=trunk + own + borrowed)


def runs(*recipes: Recipe, seeds: int = 1) -> list[PlannedRun]:
    return [
        PlannedRun(("row",), recipe, seed, Seeds(split=seed), "todo")
        for seed in range(seeds)
        for recipe in recipes
    ]


@pytest.fixture
def costs(toy_record: Callable[..., Record]) -> Costs:
    def record(recipe: Recipe, **figures: Any) -> Record:
        return toy_record(recipe, cost=cost(**figures))

    records = [
        record(BLOCK, trunk=10.0, own=1.0, borrowed=0.0),
        record(HEAD, trunk=1.0, own=0.5, borrowed=10.0),
        record(FIRST, trunk=8.0, own=2.0, borrowed=0.0),
    ]
    return Costs(records, {})


def test_runs_of_one_seed_share_the_deepest_trunk(costs: Costs) -> None:
    assert costs.seconds(runs(BLOCK)) == pytest.approx(11)
    assert costs.seconds(runs(HEAD)) == pytest.approx(11.5)
    assert costs.seconds(runs(BLOCK, HEAD)) == pytest.approx(11 + 1.5)


def test_other_texts_and_other_seeds_share_nothing(costs: Costs) -> None:
    assert costs.seconds(runs(BLOCK, FIRST)) == pytest.approx(21)
    assert costs.seconds(runs(BLOCK, HEAD, seeds=3)) == pytest.approx(3 * 12.5)


def test_checks_that_follow_a_run_count(toy_record: Callable[..., Record]) -> None:
    found = cost(trunk=10.0, own=1.0, borrowed=0.0).model_copy(
        update={"checks": {"padding": 4.0, "other": 0.5}}
    )
    record = toy_record(BLOCK, cost=found)
    assert spent_s([record]) == pytest.approx(15.5)
    assert Costs([record], {}).seconds(runs(BLOCK)) == pytest.approx(15.5)


def test_what_has_not_run_takes_what_was_forecast() -> None:
    run = runs(BLOCK)[0]
    assert Costs([], {run.run_id: Prediction(7.0, 0)}).seconds([run]) == 7
    assert Costs([], {run.run_id: Prediction(7.0, 0, checks={"padding": 2.0})}).seconds([run]) == 9
    assert Costs([], {}).seconds([run]) == 0


def test_a_recipe_that_has_only_failed_goes_on_like_that(toy_record: Callable[..., Record]) -> None:
    two = toy_record().environment.model_copy(update={"jobs": 2})
    failed = [
        toy_record(BLOCK, seed, status="failed", cost=None, failed_s=seconds, environment=two)
        for seed, seconds in enumerate([30.0, 50.0])
    ]
    run = runs(BLOCK)[0]
    assert Costs(failed, {run.run_id: Prediction(7.0, 0)}).seconds([run]) == pytest.approx(20)
    assert Costs(failed, {run.run_id: Prediction(70.0, 0)}).seconds([run]) == 70  # it may fail only at first
    done = toy_record(BLOCK, 2, cost=cost(1.0, 2.0, 0.0))
    assert Costs([*failed, done], {}).seconds([run]) == pytest.approx(3)


def test_failed_tries_are_part_of_what_was_spent(toy_record: Callable[..., Record]) -> None:
    two = toy_record().environment.model_copy(update={"jobs": 2})
    records = [
        toy_record(cost=make_cost(10.0), failed_s=6.0, environment=two),  # done at the second try
        toy_record(status="failed", cost=None, failed_s=4.0),
        toy_record(status="failed", cost=None),  # an older record
        toy_record(status="skipped", cost=None),
    ]
    assert spent_s(records) == pytest.approx(12)
