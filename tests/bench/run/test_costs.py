"""Seconds of runs from runs before them; a trunk that several share counts once."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.records.record import Cost, Record
from bench.run.costs import Costs
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


def test_what_has_not_run_takes_what_was_forecast() -> None:
    run = runs(BLOCK)[0]
    assert Costs([], {run.run_id: Prediction(7.0, 0)}).seconds([run]) == 7
    assert Costs([], {}).seconds([run]) == 0
