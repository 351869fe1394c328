"""Which rows are worth their cost: those that no other row beats on both, and the cheapest that will do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from statistics import fmean

from bench.evidence.comparison import compare_rows
from bench.evidence.decide import Decision, decide
from bench.evidence.family import looks_of
from bench.evidence.holm import ALPHA, holm
from bench.evidence.looks import Look, is_judged, loss_over_looks
from bench.evidence.metric import Metric
from bench.evidence.models import MIN_SEEDS
from bench.evidence.remember import remembered
from bench.evidence.results import Results, RowResult


@dataclass(frozen=True)
class Candidate:
    """A row with its cost, against the best row.

    against_best: corrected over the rows; p_loss: of a loss of more than the margin, corrected likewise.
    """

    result: RowResult
    seconds: float  # of a run on its own, mean over seeds
    against_best: Decision
    p_loss: float

    @property
    def will_do(self) -> bool:
        """Whether a loss of more than the margin against the best is ruled out."""
        return self.p_loss <= ALPHA

    @property
    def is_worse(self) -> bool:
        """Whether the row is shown to be worse than the best."""
        return self.against_best.call == "worse"


@dataclass(frozen=True)
class Tradeoff:
    """Accuracy against cost over the finished rows of a study; rows of one recipe are one."""

    candidates: tuple[Candidate, ...]  # cheapest first
    best: RowResult  # highest mean score of those with seeds enough, the cheapest of equals
    by_time: tuple[RowResult, ...]  # Pareto front, cheapest first
    by_parameters: tuple[RowResult, ...]
    margin: float  # of scores; a smaller loss is none

    @property
    def cheaper(self) -> tuple[Candidate, ...]:
        """Those that cost less than the best."""
        names = [one.result for one in self.candidates]
        return self.candidates[: names.index(self.best)]

    @property
    def is_of_recipes(self) -> bool:
        """Whether any row has seeds enough to speak of recipes."""
        return any(one.against_best.comparison.is_of_recipes for one in self.candidates)

    @property
    def recommended(self) -> Candidate | None:
        """The cheapest row that is shown to lose no more than the margin against the best.

        The best itself where it is the cheapest, or where every cheaper row is shown to be worse; None where
        the cheaper rows cannot be told apart from it, or where too few seeds say nothing of recipes.
        """
        if not self.is_of_recipes:
            return None
        if found := next((one for one in self.cheaper if one.will_do), None):
            return found
        own = self.candidates[len(self.cheaper)]
        return own if all(one.is_worse for one in self.cheaper) else None


@remembered
def weigh(results: Results) -> Tradeoff | None:
    """The study's trade-off; None with fewer than two rows, or where times are of several machines or engines.

    Rows that share no seed with the best one are left out, as are rows without a score: nothing is known of them.
    """
    rows = [
        r
        for r in results.finished
        if r.seconds() and results.first_with_recipe(r) is r and r.score(results.metric) is not None
    ]
    conditions = {(run.engine, run.environment.machine) for row in rows for run in row.done}
    if len(rows) < 2 or len(conditions) != 1:
        return None
    rows.sort(key=lambda row: fmean(row.seconds()))
    enough = [row for row in rows if len(row.done) >= MIN_SEEDS] or rows
    metric = results.metric
    best = max(enough, key=lambda row: _score(row, metric))  # the first of equals, which is the cheapest
    compared = {row.name: found for row in rows if (found := compare_rows(row, best, None, results.metric))}
    rows = [row for row in rows if row.name in compared]
    looks = looks_of(results, {row.name: (row, best) for row in rows})
    decided = decide(compared, results.margin, looks=looks)
    at_looks = loss_over_looks([Look(0, 1.0, compared)] if looks is None else looks, results.margin)
    p_loss = holm({name: at_looks.get(name, 1.0) for name, c in compared.items() if is_judged(c)})
    return Tradeoff(
        tuple(
            Candidate(row, fmean(row.seconds()), decided[row.name], p_loss.get(row.name, 1.0)) for row in rows
        ),
        best,
        _rows_on_front(rows, [fmean(row.seconds()) for row in rows], metric),
        _rows_on_front(
            with_size := [r for r in rows if r.parameters], [_trained(r) for r in with_size], metric
        ),
        results.margin,
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


def _rows_on_front(
    rows: Sequence[RowResult], costs: Sequence[float], metric: Metric
) -> tuple[RowResult, ...]:
    return tuple(rows[i] for i in pareto_front(costs, [_score(row, metric) for row in rows]))


def _score(row: RowResult, metric: Metric) -> float:
    found = row.score(metric)
    return -inf if found is None else found


def _trained(row: RowResult) -> float:
    return row.parameters[0] if row.parameters else 0
