"""Which rows fit a budget, and how many values of each may be tried. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bench.recommend.costs import RowCosts
from bench.study.tuning import rungs

LOOKS = (3, 5, 10, 20)  # seeds at which rows are judged
CURVE_SEEDS = 3
CURVE_PARTS = (8, 4, 2)  # of the training texts
TEST_SEEDS = 3
TEST_SIZE = 1.3  # training texts of a run with the test part, against those of a run without it
START_S = 8.0  # of the process that sees the test part, and of the answer


@dataclass(frozen=True)
class Plan:
    """rows: those that fit, the cheapest first; n_values: to try for each tuned row, 1 where none are; left_out: for
    other rows, the budget in seconds that would be enough."""

    rows: tuple[str, ...]
    n_values: int
    left_out: Mapping[str, float]


def make_plan(
    costs: RowCosts,
    epochs: Mapping[str, int],
    n_values: Sequence[int],
    budget_s: float,
    spent_s: float,
    begun: Collection[str] = (),
) -> Plan:
    """The plan with the most rows whose values can be chosen, and of those the one that tries the most values.

    Every row is tried as often; untuned rows are planned only where no tuned one fits.
    epochs: of each row, 0 for one that is not tuned; n_values: to choose from, the most first; spent_s: on other things
    than runs; begun: rows that stay in the plan, as they have runs.
    """
    by_cost = sorted(epochs, key=costs.seconds)
    plans = [_plan(by_cost, costs, epochs, n, budget_s, spent_s, begun) for n in n_values]
    # One learning rate for all rows favours whoever it suits: better fewer rows than untuned ones.
    tuned = [plan for plan in plans if plan.n_values > 1 and any(epochs[row] for row in plan.rows)]
    return max(tuned or plans, key=lambda plan: len(plan.rows))  # the first of equals


def tuning_seconds(costs: RowCosts, row: str, epochs: int, n_values: int) -> float:
    """Of all trials of a row."""
    if not epochs or n_values < 2:
        return 0.0
    return sum(n * costs.seconds(row, each / epochs) for n, each in rungs(n_values, epochs))


def end_seconds(costs: RowCosts, row: str) -> float:
    """Of what follows the choice, if it is this row: its learning curve, and the test part."""
    curve = CURVE_SEEDS * sum(costs.seconds(row, size=1 / n) for n in CURVE_PARTS)
    return curve + TEST_SEEDS * costs.seconds(row, size=TEST_SIZE) + START_S


def _plan(
    by_cost: Sequence[str],
    costs: RowCosts,
    epochs: Mapping[str, int],
    n_values: int,
    budget_s: float,
    spent_s: float,
    begun: Collection[str],
) -> Plan:
    rows: list[str] = []
    left_out: dict[str, float] = {}
    so_far = with_all = spent_s
    for row in by_cost:
        own = tuning_seconds(costs, row, epochs[row], n_values) + LOOKS[0] * costs.seconds(row)
        with_all += own
        # The row that would take longest may be the one that is chosen.
        if so_far + own + end_seconds(costs, row) <= budget_s or row in begun:
            rows.append(row)
            so_far += own
        else:
            left_out[row] = with_all + end_seconds(costs, row)
    return Plan(tuple(rows), n_values, left_out)
