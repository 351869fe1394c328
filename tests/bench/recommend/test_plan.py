"""Which rows fit a budget, what runs are expected to take, and when more labels would help."""

from collections.abc import Callable

import pytest

from bench.recommend.costs import RowCosts, Took, part
from bench.recommend.curve import curve_sizes, make_curve
from bench.recommend.plan import LOOKS, TEST_SEEDS, end_seconds, make_plan, tuning_seconds
from bench.recommend.state import Clock
from bench.records.record import Record
from gptcore.recipe import Recipe
from tests.bench.toys import make_outcome

COSTS = RowCosts({"tfidf": 1.0, "block": 10.0, "all": 30.0})
EPOCHS = {"all": 4, "block": 4, "tfidf": 0}
VALUES = [5, 3, 1]


def test_rows_fit_the_cheapest_first_and_the_others_say_what_they_need() -> None:
    small = make_plan(COSTS, EPOCHS, VALUES, budget_s=60, spent_s=5)
    assert small.rows == ("tfidf",)
    assert list(small.left_out) == ["block", "all"]
    enough = make_plan(COSTS, EPOCHS, VALUES, budget_s=small.left_out["all"] + 1000, spent_s=5)
    assert enough.rows == ("tfidf", "block", "all")
    assert enough.n_values == 5
    assert not enough.left_out


def test_the_budget_that_is_named_is_enough() -> None:
    for name in ("tfidf", "block"):
        needs = make_plan(COSTS, EPOCHS, [3], budget_s=1, spent_s=5).left_out[name]
        assert name in make_plan(COSTS, EPOCHS, [3], budget_s=needs, spent_s=5).rows


def test_fewer_values_where_that_makes_room_for_a_row_but_none_untuned() -> None:
    five = 5 + tuning_seconds(COSTS, "block", 4, 5) + 3 * COSTS.seconds("block") + end_seconds(COSTS, "block")
    plan = make_plan(COSTS, {"tfidf": 0, "block": 4}, VALUES, budget_s=five, spent_s=5)
    assert (plan.rows, plan.n_values) == (("tfidf", "block"), 3)
    untuned = five - tuning_seconds(COSTS, "block", 4, 3)
    plan = make_plan(COSTS, {"tfidf": 0, "block": 4}, VALUES, budget_s=untuned, spent_s=5)
    assert (plan.rows, plan.n_values) == (("tfidf", "block"), 1)


def test_rows_that_have_begun_stay() -> None:
    assert make_plan(COSTS, EPOCHS, VALUES, budget_s=1, spent_s=5, begun={"tfidf"}).rows == ("tfidf",)


def test_trials_go_in_rungs_and_a_row_without_values_has_none() -> None:
    assert tuning_seconds(COSTS, "tfidf", 0, 5) == tuning_seconds(COSTS, "block", 4, 1) == 0
    rungs = [(5, 1), (3, 2), (2, 4)]
    assert tuning_seconds(COSTS, "block", 4, 5) == pytest.approx(
        sum(n * COSTS.seconds("block", epochs / 4) for n, epochs in rungs)
    )
    assert end_seconds(COSTS, "all") > TEST_SEEDS * COSTS.seconds("all")
    assert LOOKS[0] == 3


def test_what_runs_took_replaces_the_forecast() -> None:
    trials = [Took("block", 2 * 10.0 * part(epochs=0.25), epochs=0.25)]
    assert RowCosts({"block": 10.0}, trials).seconds("block") == pytest.approx(20.1)
    assert RowCosts({"block": 10.0}, [*trials, Took("block", 12.0)]).seconds("block") == pytest.approx(12.1)
    assert "other" not in COSTS


def test_the_clock_counts_earlier_calls() -> None:
    times = iter([10.0, 15.0, 15.0])
    clock = Clock(60.0, 20.0, lambda: next(times))
    assert (clock.spent_s, clock.left_s) == (25.0, 35.0)


def test_sizes_of_the_curve_leave_out_what_is_too_small() -> None:
    assert curve_sizes(1600, 2, (8, 4, 2)) == [200, 400, 800]
    assert curve_sizes(70, 2, (8, 4, 2)) == [18, 35]
    assert curve_sizes(160, 20, (8, 4, 2)) == [40, 80]


def records(
    make: Callable[..., Record], errors: dict[int, list[int]], n: int = 1000
) -> dict[int, list[Record]]:
    """errors: number of training texts -> wrong answers of each seed."""

    def record(size: int, seed: int, wrong: int) -> Record:
        examples = [1000 * seed + i for i in range(n)]
        return make(Recipe(train_size=size), seed, **make_outcome(range(wrong), n, examples=examples))

    return {size: [record(size, i, w) for i, w in enumerate(wrong)] for size, wrong in errors.items()}


def test_a_power_law_is_continued_by_one_doubling(toy_record: Callable[..., Record]) -> None:
    falling = {100: [320, 330, 315], 200: [240, 236, 244], 400: [178, 180, 175], 800: [133, 135, 130]}
    curve = make_curve(records(toy_record, falling))
    assert [point.n_texts for point in curve.points] == [100, 200, 400, 800]
    assert curve.points[-1].low < curve.points[-1].score < curve.points[-1].high
    assert curve.doubling is not None
    assert curve.doubling.n_texts == 1600
    assert curve.doubling.score == pytest.approx(0.9, abs=0.005)
    assert curve.doubling.gain.mean == pytest.approx(0.033, abs=0.005)
    assert curve.doubling.word(0.01) == "would help"


@pytest.mark.parametrize(
    ("errors", "word"),
    [
        (
            {100: [100, 104, 99], 200: [101, 99, 102], 400: [100, 101, 99], 800: [100, 100, 101]},
            "would not help",
        ),
        ({100: [150, 90, 120], 200: [80, 130, 90], 400: [120, 70, 100], 800: [60, 110, 90]}, "may help"),
    ],
)
def test_a_flat_curve_and_a_restless_one(toy_record: Callable[..., Record], errors, word: str) -> None:
    doubling = make_curve(records(toy_record, errors)).doubling
    assert doubling is not None
    assert doubling.word(0.02) == word


def test_too_little_is_not_extrapolated(toy_record: Callable[..., Record]) -> None:
    found = records(toy_record, {100: [30] * 3, 200: [20] * 3, 400: [10] * 2})
    assert make_curve(found).doubling is None
    assert make_curve({n: found[n] for n in (100, 200)}).doubling is None
    assert make_curve({100: []}).points == ()
    # Seeds that agree to the last text are not certain.
    equal = make_curve(records(toy_record, {100: [40] * 3, 200: [30] * 3, 400: [22] * 3})).doubling
    assert equal is not None
    assert equal.gain.low < equal.gain.mean < equal.gain.high
