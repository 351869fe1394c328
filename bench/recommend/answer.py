"""What a recommendation's records say: which recipe, how sure, and what else a user decides by. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

import numpy as np

from bench.evidence.accuracy import interval_of
from bench.evidence.holm import ALPHA
from bench.evidence.metric import ACCURACY, Metric
from bench.evidence.models import MIN_SEEDS
from bench.evidence.pareto import Candidate, weigh
from bench.evidence.results import Results, RowResult
from bench.evidence.within import Within, within_margin
from bench.recommend.curve import Curve
from bench.records.groups import are_enough
from bench.records.record import Record
from gptcore.result import ServingCost

# decided: a loss of more than the margin is ruled out against every other row; undecided: it is for no row;
# few seeds: the budget ended before three seeds of two rows; only: one row ran
How = Literal["decided", "undecided", "few seeds", "only"]


@dataclass(frozen=True)
class Choice:
    """The row that is recommended, and how sure that is.

    best: the row with the best score, the cheapest of equals; within: row -> what is known of its loss, the cheapest
    first; against_best: row -> its comparison with `best`; seconds: row -> of training, mean over seeds. Empty where
    rows cannot be compared.
    """

    row: RowResult
    how: How
    best: RowResult
    within: Mapping[str, Within]
    against_best: Mapping[str, Candidate]
    seconds: Mapping[str, float]
    margin: float
    metric: Metric

    @property
    def is_decided(self) -> bool:
        """Whether the evidence decides for it; else it is the best so far."""
        return self.how == "decided"

    @property
    def cheaper(self) -> tuple[str, ...]:
        """Rows that cost less than the one that is decided for; all where none is."""
        names = list(self.within)
        return tuple(names[: names.index(self.row.name)] if self.is_decided else names)

    def rules_out(self, rows: Sequence[str], others: Sequence[str]) -> bool:
        """Whether for one of the rows a loss of more than the margin is ruled out against all the others."""
        # Whichever of the rows it is, so each has its share of the level.
        worst = [max(self.within[row].against[other] for other in others) for row in rows]
        return min(worst) * len(rows) <= ALPHA

    def is_out(self, name: str) -> bool:
        """Whether the row is shown to be worse than the best, and seems so by more than the margin."""
        found = self.against_best.get(name)
        return found is not None and found.is_worse and found.against_best.estimate.value < -self.margin

    @property
    def next_better(self) -> Candidate | None:
        """The cheapest row that costs more and had a better score, None where there is none."""
        score, cost = score_of(self.row, self.metric), self.seconds.get(self.row.name, 0.0)
        dearer = [one for one in self.against_best.values() if one.seconds > cost]
        better = [one for one in dearer if score_of(one.result, self.metric) > score]
        return min(better, key=lambda one: one.seconds, default=None)


def choose(results: Results) -> Choice | None:
    """The choice that the runs on development rows allow; None where none has finished.

    Rows without a score are left out: their records lack what the metric needs.
    """
    metric = results.metric
    scored = [row for row in results.finished if row.seconds() and row.score(metric) is not None]
    rows = sorted(scored, key=_seconds)
    if not rows:
        return None
    enough = [row for row in rows if len(row.done) >= MIN_SEEDS]
    best = max(enough or rows, key=lambda row: score_of(row, metric))  # the first of equals is the cheapest
    seconds = {row.name: _seconds(row) for row in rows}
    if len(enough) < 2:
        how: How = "only" if len(rows) == 1 else "few seeds"
        return Choice(best, how, best, {}, {}, seconds, results.margin, metric)
    found = within_margin(results)
    within = {row.name: found[row.name] for row in rows}
    tradeoff = weigh(results)
    against = {one.result.name: one for one in tradeoff.candidates} if tradeoff else {}
    chosen = next((row for row in rows if within[row.name].is_shown), None)
    how = "undecided" if chosen is None else "decided"
    return Choice(chosen or best, how, best, within, against, seconds, results.margin, metric)


def score_of(row: RowResult, metric: Metric) -> float:
    """The score of a row that has one; the worst of a row that has none."""
    score = row.score(metric)
    return metric.bounds[0] if score is None else score


def _seconds(row: RowResult) -> float:
    return fmean(row.seconds())


@dataclass(frozen=True)
class Expected:
    """The chosen recipe on the test part.

    score: by the metric that decided; constant: of who does not look at the text; n_recipes: that have been tested on
    it in this folder, this one included; train_s: median, as the first run starts cold; serving: of the run with the
    middle latency, None where none measured it; n_groups: of the test texts, None without groups.
    """

    score: float
    low: float
    high: float
    n_texts: int
    n_seeds: int
    constant: float
    n_recipes: int
    train_s: float
    serving: ServingCost | None
    accuracy: float
    n_groups: int | None = None

    @property
    def beats_constant(self) -> bool:
        """Whether it is shown to beat who does not look at the text; too few groups show nothing."""
        return self.low > self.constant and not self.has_few_groups

    @property
    def has_few_groups(self) -> bool:
        """Whether the test texts are of too few groups to say anything of others."""
        return not are_enough(self.n_groups)


def expected(recipe_id: str, records: Sequence[Record], metric: Metric = ACCURACY) -> Expected | None:
    """Of the runs that saw the test part; None where the recipe has none, or none that the metric can judge."""
    done = [record for record in records if record.status == "done" and record.metrics]
    own = [record for record in done if record.recipe_id == recipe_id]
    scores = [score for record in own if (score := metric.score(record)) is not None]
    bounds = interval_of(own, metric) if own else None
    if bounds is None:
        return None
    counts = np.array(own[0].dataset.test_label_counts)
    found = [record.cost.serving for record in own if record.cost and record.cost.serving]
    serving = sorted(found, key=lambda cost: cost.latency_p50_s)
    return Expected(
        score=fmean(scores),
        low=bounds[0],
        high=bounds[1],
        n_texts=own[0].dataset.n_test,
        n_seeds=len(own),
        constant=metric.constant(counts[counts > 0] / counts.sum()),
        n_recipes=len({record.recipe_id for record in done}),
        train_s=median(record.cost.standalone_s for record in own if record.cost),
        serving=serving[len(serving) // 2] if serving else None,
        accuracy=fmean(record.metrics.test.accuracy for record in own if record.metrics),
        n_groups=own[0].dataset.n_test_groups,
    )


@dataclass(frozen=True)
class Answer:
    """Everything that the page says.

    left_out: rows that did not run, and why; ended: why the search ended, in a few words; file: as in the command,
    and reading: its options that say how the file is read.
    """

    data: str
    results: Results
    choice: Choice
    expected: Expected | None
    curve: Curve
    left_out: Mapping[str, str]
    spent_s: float
    budget_s: float
    ended: str
    file: str
    reading: Sequence[str] = ()

    @property
    def without_gpt(self) -> list[RowResult]:
        """The rows without a GPT that have run, the best first."""
        rows = [row for row in self.results.finished if row.row.recipe.backbone is None]
        return sorted(rows, key=lambda row: -score_of(row, self.results.metric))
