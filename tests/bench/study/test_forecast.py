"""What runs will take: sharing in the order of the plan, seeds, budgets, and what is written into a record."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.records.record import Cost, Record
from bench.study.forecast import Machine, Prediction, forecast, refuse_too_large, with_prediction
from bench.study.plan import PlannedRun
from gptcore.recipe import Recipe, Seeds
from gptcore.result import CutTexts
from gptcore.training.sample import PaddingCost, Probe
from gptcore.training.serving_time import budget_beside, expected_s
from gptcore.training.trunk_need import PaddingNeed, TrunkNeed
from tests.bench.toys import make_cost

BLOCK = Recipe(model="nano", train="last_block")  # three frozen blocks of four
TWO_BLOCKS = Recipe(model="nano", train="last_two_blocks")
FEATURES = Recipe(model="nano", train="features")
MACHINE = Machine(floor_bytes=1000, trunk_bytes=10**12)
PARTS = {"train": 900_000, "test": 100_000}
STATES_BYTES = sum(PARTS.values())
OWN_BYTES = {"pretrained": 70_000, "random": 50_000}


def probe_of(run: PlannedRun, last_block: float = 1.0) -> Probe:
    """As of nano, with trunks of equal rows: 12 seconds of them, and 2 of training."""
    depth = {"last_block": 3, "last_two_blocks": 2, "features": 4, "all": 0}[run.recipe.train]
    # Of a part of the training texts each split has its own.
    rows, parts = "rows", PARTS
    if run.recipe.train_size is not None:
        rows, parts = f"rows {run.seeds.split}", {(part, run.seeds.split): n for part, n in PARTS.items()}
    need = TrunkNeed(rows, None, depth, parts) if depth else None
    if depth == 4:
        below = TrunkNeed(rows, None, 3, parts)
        need = TrunkNeed(rows, "last", 4, {"features": 500}, below, last_block)
    return Probe({"trunk": 12.0, "train": 2.0}, need, own_bytes=OWN_BYTES[run.recipe.weights])


def todo(recipe: Recipe, seed_index: int = 0, split: int = 123, **changes: Any) -> PlannedRun:
    seeds = Seeds(init=seed_index, order=seed_index, split=split)
    return PlannedRun(("row",), recipe, seed_index, seeds, changes.get("state", "todo"))


def forecasts(*plan: PlannedRun, machine: Machine = MACHINE) -> list[Prediction]:
    found = forecast(plan, probe_of, machine)
    return [found[run.run_id] for run in plan if run.run_id in found]


def test_a_later_seed_finds_the_trunk_ready() -> None:
    assert [found.seconds for found in forecasts(todo(BLOCK), todo(BLOCK, 1))] == [14, 2]


def test_another_split_of_all_texts_finds_the_trunk_ready() -> None:
    runs = forecasts(todo(BLOCK), todo(TWO_BLOCKS), todo(BLOCK, 1, split=124), todo(BLOCK, 2, split=123))
    assert [found.seconds for found in runs] == [14, 14, 2, 2]
    # The split in between had no use for the trunk of two blocks.
    assert [found.mem_bytes - runs[1].mem_bytes for found in runs[2:]] == [0, -STATES_BYTES]


def test_trunks_stay_until_a_split_has_had_no_use_for_them() -> None:
    """As the store lets go of them: those of two splits lie in memory."""
    part = BLOCK.model_copy(update={"train_size": 16})
    runs = forecasts(*(todo(part, seed, split=123 + seed) for seed in range(4)), todo(part, 4, split=123))
    assert [found.seconds for found in runs] == [14] * 5
    assert [found.mem_bytes - runs[0].mem_bytes for found in runs] == [0, *[STATES_BYTES] * 4]


def test_random_weights_of_past_seeds_do_not_pile_up() -> None:
    random = BLOCK.model_copy(update={"weights": "random"})
    runs = forecasts(*(todo(random, seed, split=123 + seed) for seed in range(4)))
    assert [found.mem_bytes - runs[0].mem_bytes for found in runs] == [0, *[STATES_BYTES] * 3]


def test_random_weights_of_another_seed_share_nothing() -> None:
    random = BLOCK.model_copy(update={"weights": "random"})
    assert [found.seconds for found in forecasts(todo(random), todo(random, 1))] == [14, 14]


def test_a_deeper_trunk_starts_from_a_shallower_one_and_not_the_other_way_round() -> None:
    assert [found.seconds for found in forecasts(todo(TWO_BLOCKS), todo(BLOCK))] == [14, 2 + 12 / 3]
    assert [found.seconds for found in forecasts(todo(BLOCK), todo(TWO_BLOCKS))] == [14, 14]


def test_features_start_from_the_states_below_and_leave_them() -> None:
    assert [found.seconds for found in forecasts(todo(BLOCK), todo(FEATURES))] == [14, 2 + 12 / 4]
    assert [found.seconds for found in forecasts(todo(FEATURES), todo(BLOCK))] == [14, 2]


def test_what_is_done_or_blocked_is_not_forecast_and_leaves_nothing_ready() -> None:
    done, blocked, run = todo(BLOCK, state="done"), todo(TWO_BLOCKS, state="blocked"), todo(BLOCK, 1)
    found = forecast([done, blocked, run], probe_of, MACHINE)
    assert {run_id: p.seconds for run_id, p in found.items()} == {run.run_id: 14}


def test_a_recipe_that_could_not_be_probed_is_left_out() -> None:
    assert forecast([todo(BLOCK)], lambda _run: None, MACHINE) == {}
    assert forecast([todo(BLOCK)], lambda _run: Probe({}), MACHINE) == {}


def test_a_last_block_that_is_computed_at_one_position_is_nearly_free() -> None:
    def cheap(run: PlannedRun) -> Probe:
        return probe_of(run, last_block=0.05)

    plan = [todo(BLOCK), todo(FEATURES)]
    found = forecast(plan, cheap, MACHINE)
    assert found[plan[1].run_id].seconds == pytest.approx(2 + 12 * 0.05 / 3.05)


def test_memory_is_the_process_its_trunks_and_the_run_itself() -> None:
    own, other_own = OWN_BYTES["pretrained"], OWN_BYTES["random"]
    first, second = forecasts(todo(BLOCK), todo(BLOCK, 1))
    assert first.mem_bytes == second.mem_bytes == 1000 + STATES_BYTES + own
    other = BLOCK.model_copy(update={"weights": "random"})
    _, both = forecasts(todo(BLOCK), todo(other))
    assert both.mem_bytes == 1000 + 2 * STATES_BYTES + other_own
    _, full = forecasts(todo(BLOCK), todo(other), machine=Machine(1000, STATES_BYTES))
    assert full.mem_bytes == 1000 + STATES_BYTES + other_own  # the rest lies on the disk


def test_of_the_memory_trunks_of_other_rows_are_named() -> None:
    other = BLOCK.model_copy(update={"weights": "random"})
    tfidf = Recipe(model="tfidf")

    def probe(run: PlannedRun) -> Probe:
        return Probe({"train": 1.0}) if run.recipe == tfidf else probe_of(run)

    plan = [todo(BLOCK), todo(BLOCK, 1), todo(FEATURES), todo(other), todo(tfidf)]
    found = list(forecast(plan, probe, MACHINE).values())
    assert [one.kept_bytes for one in found] == [0, 0, 0, STATES_BYTES + 500, 2 * STATES_BYTES + 500]
    assert found[-1].mem_bytes - found[-1].kept_bytes == MACHINE.floor_bytes


def test_states_that_two_recipes_share_lie_in_memory_once() -> None:
    """The test texts of one recipe are those of another under a padding that it was not trained with."""
    other = BLOCK.model_copy(update={"padding": "left"})

    def probe(run: PlannedRun) -> Probe:
        if run.recipe == BLOCK:
            return probe_of(run)
        return Probe({"train": 1.0}, TrunkNeed("left", None, 3, {"train left": 900_000, "test": 100_000}))

    plan = [todo(BLOCK), todo(other)]
    found = forecast(plan, probe, MACHINE)
    assert found[plan[1].run_id].mem_bytes == 1000 + STATES_BYTES + 900_000


def padding(of_test: str, of_all: str) -> PaddingCost:
    """Three seconds in the frozen blocks, and one above them."""
    return PaddingCost(PaddingNeed(1, of_test, of_all, 1), 3.0, 1.0)


def test_other_paddings_find_what_the_run_and_earlier_ones_have_left() -> None:
    """`left` is a row whose own trunk is what the others' test texts need on the left."""
    left, shallow = BLOCK.model_copy(update={"padding": "left"}), TWO_BLOCKS
    own = {"right": ("all right", "test left", "all left"), "left": ("all left", "test right", "all right")}

    def probe(run: PlannedRun) -> Probe:
        mine, of_test, of_all = own[run.recipe.padding]
        depth = 2 if run.recipe == shallow else 3
        need = TrunkNeed(mine, None, depth, {mine: 10, of_test: 10})
        return Probe({"trunk": 12.0, "train": 2.0}, need, paddings=(padding(of_test, of_all),))

    def checks(*runs: PlannedRun) -> list[float]:
        found = forecast(runs, probe, MACHINE)
        return [found[run.run_id].checks["padding"] for run in runs]

    assert checks(todo(BLOCK), todo(BLOCK, 1), todo(left), todo(BLOCK, 2)) == [4, 1, 1, 1]
    assert checks(todo(left), todo(BLOCK)) == [4, 1]
    assert checks(todo(shallow), todo(BLOCK)) == [4, 1 + 3 / 3]
    assert checks(todo(BLOCK), todo(shallow)) == [4, 4], "a deeper trunk has passed what it needs"
    random = BLOCK.model_copy(update={"weights": "random"})
    assert checks(todo(random), todo(random, 1)) == [4, 4]


def test_other_paddings_whose_states_are_the_runs_own_go_through_no_frozen_block() -> None:
    need = TrunkNeed("all", None, 3, {"all": 10})
    probe = Probe({"trunk": 12.0}, need, paddings=(padding("test", "all"),))
    run = todo(BLOCK)
    assert forecast([run], lambda _run: probe, MACHINE)[run.run_id].checks["padding"] == 1


def test_where_nothing_is_frozen_all_of_it_is_computed() -> None:
    run, probe = todo(BLOCK), Probe({"train": 2.0}, paddings=(padding("", ""), padding("", "")))
    found = forecast([run, todo(BLOCK, 1)], lambda _run: probe, MACHINE)
    assert [one.checks["padding"] for one in found.values()] == [8, 8]


def test_what_follows_a_run_is_no_part_of_its_time() -> None:
    run = todo(BLOCK)
    probe = Probe({"train": 50.0}, paddings=(padding("", ""),), text_s=0.1, n_ways=2)
    machine = Machine(1000, 10**12, cut_texts_s=lambda run: 7.0 if run.seed_index == 0 else None)
    found = forecast([run, todo(BLOCK, 1)], lambda _run: probe, machine)
    checks = {"padding": 4.0, "serving": expected_s(budget_beside(50.0), 0.1, 2), "cut_texts": 7.0}
    assert found[run.run_id].checks == pytest.approx(checks)
    assert found[run.run_id].seconds == 50
    assert found[run.run_id].busy_s == pytest.approx(50 + sum(checks.values()))
    assert "cut_texts" not in found[todo(BLOCK, 1).run_id].checks
    (trial,) = forecast([run], lambda _run: probe, Machine(1000, 10**12, serves=False)).values()
    assert trial.checks == {"padding": 4}


def test_how_many_texts_are_cut_is_handed_on() -> None:
    cut = CutTexts(3, 168, 30)
    found = forecast([todo(BLOCK)], lambda _run: Probe({"train": 2.0}, cut=cut), MACHINE)
    assert found[todo(BLOCK).run_id].cut == cut


def test_what_does_not_fit_is_refused_and_says_how_much_it_needs() -> None:
    small, large, unknown, done = todo(BLOCK), todo(TWO_BLOCKS), todo(FEATURES), todo(BLOCK, 1, state="done")
    needs = {small.run_id: Prediction(1, 8_000_000_000), large.run_id: Prediction(1, 8_100_000_001)}
    plan = refuse_too_large([small, large, unknown, done], needs, 8_100_000_000)
    assert [run.state for run in plan] == ["todo", "blocked", "todo", "done"]
    assert plan[1].reason == "not enough memory: needs 8.1 GB, 8.1 GB are free"
    assert plan[0] is small


@pytest.fixture
def cost() -> Cost:
    return make_cost(3, process_mem_bytes=1)


def test_a_record_keeps_what_was_forecast(toy_record: Callable[..., Record], cost: Cost) -> None:
    record = toy_record(cost=cost)
    kept = with_prediction(
        record, {record.run_id: Prediction(2.5, 7, checks={"padding": 0.5, "serving": 0.25})}
    )
    update = {"predicted_s": 2.5, "predicted_checks_s": 0.75, "predicted_mem_bytes": 7}
    assert kept.cost == cost.model_copy(update=update)
    assert with_prediction(record, {}) == record
    failed = toy_record(status="failed")
    assert with_prediction(failed, {failed.run_id: Prediction(2.5, 7)}) == failed
