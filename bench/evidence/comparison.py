"""Two rows on the seeds that both have finished, nothing adjusted for other comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.evidence.answers import examples, groups
from bench.evidence.metric import ACCURACY, Metric
from bench.evidence.models import MIN_SEEDS, p_groups, p_texts, wins_and_losses
from bench.evidence.overdispersion import text_estimate
from bench.evidence.paired import Paired, Ratio, pair, paired_ratio
from bench.evidence.remember import remembered
from bench.evidence.results import RowResult
from bench.evidence.variance import independent
from bench.records.record import Record


@dataclass(frozen=True)
class Comparison:
    """Ours against theirs.

    p_models: of no difference between these very models; side_of_models: above zero where the examples speak for
    ours; identical: both are the same recipe; independent: no two seeds share what others do not, as they do where
    they vary one thing at a time;
    seconds: what one more seed of both rows would take, each run alone.
    """

    paired: Paired
    p_models: float
    side_of_models: float
    time: Ratio | None = None
    identical: bool = False
    independent: bool = True
    seconds: float | None = None

    @property
    def n_seeds(self) -> int:
        """Seeds that both rows have finished."""
        return self.paired.n_seeds

    @property
    def is_tested(self) -> bool:
        """A row does not differ from its own recipe by construction; seeds that share values give no verdicts, and
        neither do too few groups of texts."""
        return self.independent and not self.identical and self.paired.has_enough_groups

    @property
    def is_of_recipes(self) -> bool:
        """Whether there are seeds enough to speak of recipes; with fewer, words are about the trained models."""
        return self.n_seeds >= MIN_SEEDS

    @property
    def reversed(self) -> Comparison:
        """Theirs against ours."""
        time = self.time and Ratio(
            1 / self.time.ratio, 1 / self.time.high, _inverse(self.time.low), self.time.p
        )
        return replace(self, paired=self.paired.reversed, side_of_models=-self.side_of_models, time=time)


@remembered
def compare_rows(
    ours: RowResult, theirs: RowResult, first: int | None = None, metric: Metric = ACCURACY
) -> Comparison | None:
    """Ours less theirs on every seed that both have finished on the same test examples; None without one.

    first: of so many seeds at the start of the study, those; None: of all. None also where a record does not hold
    what the metric needs.
    """
    pairs = [
        (mine, other)
        for index, mine in ours.by_seed.items()
        if (first is None or index < first)
        and (other := theirs.by_seed.get(index))
        and _same_test(mine, other)
    ]
    if not pairs:
        return None
    answers = [(metric.answers_of(mine), metric.answers_of(other)) for mine, other in pairs]
    known = [(mine, other) for mine, other in answers if mine is not None and other is not None]
    by_group = groups([mine for mine, _ in pairs])
    some_grouped = any(mine.test is not None and mine.test.groups is not None for mine, _ in pairs)
    if len(known) < len(pairs) or (some_grouped and by_group is None):
        return None
    costs = [
        (mine.cost.standalone_s, other.cost.standalone_s) for mine, other in pairs if mine.cost and other.cost
    ]
    return compare_answers(
        [mine.values for mine, _ in known],
        [other.values for _, other in known],
        examples([mine for mine, _ in pairs]),
        [min(mine.size, other.size) for mine, other in known],
        metric,
        by_group,
        time=paired_ratio([mine for mine, _ in costs], [other for _, other in costs]),
        identical=ours.recipe_id == theirs.recipe_id,
        independent=independent([mine.seeds for mine, _ in pairs]),
        seconds=sum(map(sum, costs)) / len(costs) if costs else None,
    )


def compare_answers(
    ours: Sequence[np.ndarray],
    theirs: Sequence[np.ndarray],
    shown: Sequence[np.ndarray],
    sizes: Sequence[float] | None = None,
    metric: Metric = ACCURACY,
    groups: Sequence[np.ndarray] | None = None,
    *,
    time: Ratio | None = None,
    identical: bool = False,
    independent: bool = True,
    seconds: float | None = None,
) -> Comparison:
    """Two rows by their answers to each example: ours, theirs, shown, sizes and groups as in `pair`.

    ours, theirs: for each seed the values of the metric (see `Answers`), of accuracy 1 where the row was right, else 0.
    """
    paired = pair(ours, theirs, shown, sizes, metric.scale, groups)
    p, side = _sign_test(ours, theirs, shown, groups) if metric is ACCURACY else _of_models(paired)
    return Comparison(paired, p, side, time, identical, independent, seconds)


def _sign_test(
    ours: Sequence[np.ndarray],
    theirs: Sequence[np.ndarray],
    shown: Sequence[np.ndarray],
    groups: Sequence[np.ndarray] | None,
) -> tuple[float, float]:
    """P of no difference between the models and which side it is on, by the examples or groups on which they differ."""
    differences = [np.subtract(a, b, dtype=float) for a, b in zip(ours, theirs, strict=True)]
    if groups is not None:
        ids = np.unique(np.concatenate(groups), return_inverse=True)[1]
        sums = np.bincount(ids, np.concatenate(differences))
        return p_groups(sums), float(sums.sum())
    wins, losses = wins_and_losses(differences, shown)
    return p_texts(wins, losses), wins - losses


def _of_models(paired: Paired) -> tuple[float, float]:
    """The same of any metric: the difference on its scale with the variance over examples."""
    found = text_estimate(paired)
    return found.p_zero(), found.value


def _inverse(value: float) -> float:
    return 1 / value if value else float("inf")


def _same_test(mine: Record, other: Record) -> bool:
    return (
        mine.seeds == other.seeds
        and mine.dataset.fingerprint == other.dataset.fingerprint
        and mine.test is not None
        and other.test is not None
        and mine.test.groups == other.test.groups
    )
