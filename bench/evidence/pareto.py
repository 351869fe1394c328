"""Which rows are worth their cost: those that no other row beats on both, and the cheapest that will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.evidence.results import Results, RowResult
from bench.evidence.verdicts import ALPHA, Comparison, compare_rows


@dataclass(frozen=True)
class Candidate:
    """A row with its cost, against the most accurate row."""

    result: RowResult
    seconds: float  # of a run on its own, mean over seeds
    against_best: Comparison

    @property
    def is_worse(self) -> bool:
        """Whether the row is significantly worse than the best, with a lean towards saying so.

        Either test will do, and neither is corrected for the number of rows: here the harmful error is to let a
        worse row pass, and a correction would let more of them pass.
        """
        found = self.against_best
        return found.accuracy.high < 0 or (found.accuracy.mean < 0 and found.p_mcnemar < ALPHA)


@dataclass(frozen=True)
class Tradeoff:
    """Accuracy against cost over the finished rows of a study; rows of one recipe are one."""

    candidates: tuple[Candidate, ...]  # cheapest first
    best: RowResult  # highest mean accuracy, the cheapest of equals
    by_time: tuple[RowResult, ...]  # Pareto front, cheapest first
    by_parameters: tuple[RowResult, ...]

    @property
    def recommended(self) -> Candidate:
        """The cheapest row that is not significantly worse than the best."""
        return next(one for one in self.candidates if one.result is self.best or not one.is_worse)


def weigh(results: Results) -> Tradeoff | None:
    """The study's trade-off; None with fewer than two rows, or where times are of several machines or engines.

    Rows that share no seed with the most accurate one are left out: nothing is known of the two.
    """
    rows = [r for r in results.finished if r.seconds() and results.first_with_recipe(r) is r]
    conditions = {(run.engine, run.environment.machine) for row in rows for run in row.done}
    if len(rows) < 2 or len(conditions) != 1:
        return None
    rows.sort(key=lambda row: fmean(row.seconds()))
    best = max(rows, key=_accuracy)  # the first of equals, which is the cheapest
    compared = [(row, found) for row in rows if (found := compare_rows(row, best))]
    rows = [row for row, _ in compared]
    return Tradeoff(
        tuple(Candidate(row, fmean(row.seconds()), found) for row, found in compared),
        best,
        _rows_on_front(rows, [fmean(row.seconds()) for row in rows]),
        _rows_on_front(with_size := [r for r in rows if r.parameters], [_trained(r) for r in with_size]),
    )


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Indices of the points that no other beats: no cheaper or equal one gains more, no equal gain is cheaper.

    Cheapest first; of equal points the first.
    """
    front: list[int] = []
    for i in sorted(range(len(costs)), key=lambda i: (costs[i], -gains[i])):
        if not front or gains[i] > gains[front[-1]]:
            front.append(i)
    return front


def _rows_on_front(rows: Sequence[RowResult], costs: Sequence[float]) -> tuple[RowResult, ...]:
    return tuple(rows[i] for i in pareto_front(costs, [_accuracy(row) for row in rows]))


def _accuracy(row: RowResult) -> float:
    return row.accuracy() or 0.0


def _trained(row: RowResult) -> float:
    return row.parameters[0] if row.parameters else 0
