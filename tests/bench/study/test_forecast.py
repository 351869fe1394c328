"""What runs will take: sharing in the order of the plan, seeds, budgets, and what is written into a record."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.run.record import Cost, Record
from bench.study.costs import estimate_memory
from bench.study.forecast import Machine, Prediction, forecast, with_prediction
from bench.study.plan import PlannedRun
from gptcore.finetune.probe import Probe, TrunkNeed
from gptcore.finetune.recipe import Recipe, Seeds
from gptcore.models.config import REGISTRY

BLOCK = Recipe(model="nano", train="last_block")  # three frozen blocks of four
TWO_BLOCKS = Recipe(model="nano", train="last_two_blocks")
FEATURES = Recipe(model="nano", train="features")
MACHINE = Machine(floor_bytes=1000, trunk_bytes=10**12)
STATES_BYTES = 10**6


def probe_of(recipe: Recipe, train_s: float = 2.0, trunk_s: float = 12.0) -> Probe:
    """As of nano, with trunks of equal rows."""
    depth = {"last_block": 3, "last_two_blocks": 2, "features": 4}[recipe.train]
    need = TrunkNeed("rows", None, depth, STATES_BYTES)
    if depth == 4:
        need = TrunkNeed("rows", "last", 4, 500, below=TrunkNeed("rows", None, 3, STATES_BYTES))
    return Probe({"trunk": trunk_s, "train": train_s}, need, tokens_per_row=30)


def todo(recipe: Recipe, seed_index: int = 0, **changes: Any) -> PlannedRun:
    seeds = Seeds(init=seed_index, order=seed_index)
    return PlannedRun(("row",), recipe, seed_index, seeds, changes.get("state", "todo"))


def foretold(*plan: PlannedRun, machine: Machine = MACHINE) -> list[Prediction]:
    probes = {run.recipe.id: probe_of(run.recipe) for run in plan}
    found = forecast(plan, probes, 2, machine)
    return [found[run.run_id] for run in plan if run.run_id in found]


def test_a_later_seed_finds_the_trunk_ready() -> None:
    assert [found.seconds for found in foretold(todo(BLOCK), todo(BLOCK, 1))] == [14, 2]


def test_random_weights_of_another_seed_share_nothing() -> None:
    random = BLOCK.model_copy(update={"weights": "random"})
    assert [found.seconds for found in foretold(todo(random), todo(random, 1))] == [14, 14]


def test_a_deeper_trunk_starts_from_a_shallower_one_and_not_the_other_way_round() -> None:
    assert [found.seconds for found in foretold(todo(TWO_BLOCKS), todo(BLOCK))] == [14, 2 + 12 / 3]
    assert [found.seconds for found in foretold(todo(BLOCK), todo(TWO_BLOCKS))] == [14, 14]


def test_features_start_from_the_states_below_and_leave_them() -> None:
    assert [found.seconds for found in foretold(todo(BLOCK), todo(FEATURES))] == [14, 2 + 12 / 4]
    assert [found.seconds for found in foretold(todo(FEATURES), todo(BLOCK))] == [14, 2]


def test_what_is_done_or_blocked_is_not_foretold_and_leaves_nothing_ready() -> None:
    done, blocked, run = todo(BLOCK, state="done"), todo(TWO_BLOCKS, state="blocked"), todo(BLOCK, 1)
    found = forecast([done, blocked, run], {BLOCK.id: probe_of(BLOCK)}, 2, MACHINE)
    assert {run_id: p.seconds for run_id, p in found.items()} == {run.run_id: 14}


def test_a_recipe_that_could_not_be_probed_is_left_out() -> None:
    assert forecast([todo(BLOCK)], {}, 2, MACHINE) == {}
    assert forecast([todo(BLOCK)], {BLOCK.id: Probe({})}, 2, MACHINE) == {}


def test_memory_is_the_process_its_trunks_and_the_run_itself() -> None:
    own = estimate_memory(REGISTRY["nano"].config, BLOCK, 30, 2, runtime_bytes=0)
    first, second = foretold(todo(BLOCK), todo(BLOCK, 1))
    assert first.mem_bytes == second.mem_bytes == 1000 + STATES_BYTES + own
    other = BLOCK.model_copy(update={"weights": "random"})
    _, both = foretold(todo(BLOCK), todo(other))
    assert both.mem_bytes == 1000 + 2 * STATES_BYTES + own
    _, full = foretold(todo(BLOCK), todo(other), machine=Machine(1000, STATES_BYTES))
    assert full.mem_bytes == 1000 + STATES_BYTES + own  # the rest lies on the disk


@pytest.fixture
def cost() -> Cost:
    return Cost(phases={}, marginal_s=3, standalone_s=3, peak_mem_bytes=1, tokens_processed=None, flops=None)


def test_a_record_keeps_what_was_foretold(toy_record: Callable[..., Record], cost: Cost) -> None:
    record = toy_record(cost=cost)
    kept = with_prediction(record, {record.run_id: Prediction(2.5, 7)})
    assert kept.cost == cost.model_copy(update={"predicted_s": 2.5, "predicted_mem_bytes": 7})
    assert with_prediction(record, {}) == record
    failed = toy_record(status="failed")
    assert with_prediction(failed, {failed.run_id: Prediction(2.5, 7)}) == failed
