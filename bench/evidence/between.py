"""Two studies row by row: paired where both tested the same seeds on the same examples, else side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bench.evidence.answers import groups
from bench.evidence.comparison import compare_rows
from bench.evidence.decide import Decision, decide
from bench.evidence.metric import ACCURACY, Metric
from bench.evidence.paired import Ratio, paired_ratio
from bench.evidence.results import Results, RowResult
from bench.evidence.stats import difference_of_shares, squared_and_added
from bench.evidence.student import Difference


@dataclass(frozen=True)
class RowBetween:
    """A row of one study against the row of that name in another.

    Paired by seed and example, or `unpaired` by the two accuracies alone where seeds or examples differ.
    """

    name: str
    paired: Decision | None  # corrected over the rows
    unpaired: Difference | None
    flipped: tuple[int, int] | None  # predictions that differ, of how many, where paired
    time: Ratio | None  # of runs alone, ours over theirs, on machines that look the same


def compare_studies(ours: Results, theirs: Results) -> list[RowBetween]:
    """Every row that both have finished, in the order of `ours`; rows go by their names, those of one recipe once."""
    other = {result.name: result for result in theirs.finished}
    pairs = {
        result.name: (result, other[result.name])
        for result in ours.finished
        if result.name in other and ours.first_with_recipe(result) is result
    }
    # The runs of two studies are never the same ones, also where their recipes are.
    compared = {
        name: replace(comparison, identical=False)
        for name, pair in pairs.items()
        if (comparison := compare_rows(*pair, None, ours.metric))
    }
    decided = decide(compared, margin_between(ours, theirs))
    return [
        RowBetween(
            name,
            decided.get(name),
            None if name in compared else _unpaired(*pair, ours.metric),
            _flipped(*pair) if name in compared else None,
            _time(*pair),
        )
        for name, pair in pairs.items()
    ]


def margin_between(ours: Results, theirs: Results) -> float:
    """The margin (share) of a comparison of two studies: the wider of the two."""
    return max(ours.margin, theirs.margin)


def _unpaired(ours: RowResult, theirs: RowResult, metric: Metric) -> Difference | None:
    mine, other = ours.score(metric), theirs.score(metric)
    if mine is None or other is None:
        return None
    if metric is ACCURACY and not (groups(ours.done) or groups(theirs.done)):
        return difference_of_shares(mine, _examples(ours), other, _examples(theirs))
    bounds = ours.interval_of(metric), theirs.interval_of(metric)
    return (
        None
        if bounds[0] is None or bounds[1] is None
        else squared_and_added(mine, bounds[0], other, bounds[1])
    )


def _examples(result: RowResult) -> int:
    return min(run.metrics.test.n for run in result.done if run.metrics)


def _flipped(ours: RowResult, theirs: RowResult) -> tuple[int, int]:
    pairs = [
        (mine.test.predicted, other.test.predicted)
        for seed, mine in ours.by_seed.items()
        if (other := theirs.by_seed.get(seed)) and mine.test and other.test and mine.seeds == other.seeds
    ]
    answers = [one != two for mine, other in pairs for one, two in zip(mine, other, strict=True)]
    return sum(answers), len(answers)


def _time(ours: RowResult, theirs: RowResult) -> Ratio | None:
    """Paired by seed index; None unless every pair ran on one machine."""
    pairs = [(mine, theirs.by_seed[seed]) for seed, mine in ours.by_seed.items() if seed in theirs.by_seed]
    if any(mine.environment.machine != other.environment.machine for mine, other in pairs):
        return None
    costs = [
        (mine.cost.standalone_s, other.cost.standalone_s) for mine, other in pairs if mine.cost and other.cost
    ]
    return paired_ratio([mine for mine, _ in costs], [other for _, other in costs])
