"""What a study can show, from its size alone: known before anything runs, and so fit to choose a margin by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, sqrt
from typing import TYPE_CHECKING

import numpy as np

from bench.evidence.holm import ALPHA
from bench.evidence.metric import ACCURACY, Metric, size_of
from bench.evidence.variance import varies
from bench.records.groups import MIN_GROUPS

if TYPE_CHECKING:
    from bench.records.study import Study

POWER = 0.8  # with which a forecast decides
MARGIN_SEEDS = 10
FORECAST_SEEDS = (3, 5, 10)

# What rows of the committed studies are typically like, rounded up (results/embedded, 20 comparisons).
DIFFERING = 0.035  # share of the predictions that differ
OVERDISPERSION = 1.4  # of the seeds, over what their predictions alone would make them scatter
OF_EXAMPLES = 0.2  # share of the variance that lies in the examples and is the same with every seed


@dataclass(frozen=True)
class Design:
    """What is known of a study before it runs.

    n_examples: that a seed's test part counts as; overlap: as in Paired; n_comparisons: rows to be judged; n_groups: of
    a seed's test texts, None without groups; groups_count_as: of equal size, infinite without groups; of_examples:
    see OF_EXAMPLES. How far texts of one group vary together shows only afterwards: here they are independent, and in
    `all_alike` they all fare alike.
    """

    n_examples: float
    overlap: float
    n_comparisons: int
    metric: Metric = ACCURACY
    n_groups: int | None = None
    groups_count_as: float = inf
    of_examples: float = OF_EXAMPLES

    @property
    def all_alike(self) -> Design:
        """The same where all texts of a group fare alike, with every seed: the least that it can show."""
        n = min(self.n_examples, self.groups_count_as)
        return replace(self, n_examples=n, overlap=self._shared / n, of_examples=1.0)

    @property
    def can_judge(self) -> bool:
        """Whether the groups of all seeds can be enough to call any row better or worse; true without groups."""
        return self.n_groups is None or (self.n_groups > 1 and self.n_groups / self._shared >= MIN_GROUPS)

    def visible_difference(self, n_seeds: int) -> float:
        """The smallest difference that a typical row would be called better or worse with (share).

        A difference of D makes that many more predictions differ, so D = distance * sqrt(v (DIFFERING + D)).
        """
        c = self._distance(n_seeds, self._level / 2, POWER) ** 2 * self._variance(n_seeds)
        return min(1.0, (c + sqrt(c * c + 4 * c * DIFFERING)) / 2)

    def visible_margin(self, n_seeds: int, power: float = POWER) -> float:
        """The smallest margin within which a typical row without any difference would be shown to lie (share).

        A verdict gives a true difference of M the variance M (1 - M) / texts at least, so M >= c / (1 + c).
        """
        distance = self._distance(n_seeds, self._level, (1 + power) / 2)
        c = distance**2 * (1 / self.n_examples + (n_seeds - 1) * self.overlap) / n_seeds
        return min(1.0, max(distance * sqrt(DIFFERING * self._variance(n_seeds)), c / (1 + c)))

    @property
    def margin(self) -> float:
        """The smallest of the metric's that MARGIN_SEEDS seeds have an even chance to show, else the largest."""
        shown = self.visible_margin(MARGIN_SEEDS, power=0.5)
        margins = self.metric.margins
        return next((margin for margin in margins if shown <= margin), margins[-1])

    @property
    def is_forecast(self) -> bool:
        """Whether what it can show is known before anything runs: of losses it depends on the models."""
        return self.metric.unit == "points"

    @property
    def _level(self) -> float:
        """Of the first row that Holm's method decides; those after it have it easier."""
        return ALPHA / max(1, self.n_comparisons)

    def groups_of(self, n_seeds: int) -> float:
        """Groups of equal size that those of so many seeds are worth, some of which several seeds share (Kish)."""
        return self.groups_count_as * n_seeds / (1 + (n_seeds - 1) * self._shared)

    @property
    def _shared(self) -> float:
        """Share of a seed's examples that another seed has as well."""
        return self.overlap * self.n_examples

    def _variance(self, n_seeds: int) -> float:
        """Of a mean difference, for each unit of the share of predictions that differ."""
        of_examples = self.of_examples * self.overlap
        return OVERDISPERSION * (1 / self.n_examples - of_examples) / n_seeds + of_examples

    def _distance(self, n_seeds: int, tail: float, power: float) -> float:
        from scipy.special import stdtrit

        of_seeds = 2 * (n_seeds - 1)  # the other comparisons count for as much as the seeds
        dof = max(1.0, min(of_seeds, self.groups_of(n_seeds) - 1))
        return float(stdtrit(dof, 1 - tail) + stdtrit(dof, power))


def design_of(study: Study, metric: Metric = ACCURACY) -> Design:
    """The design of a study; that of one seed counts as one whose seeds will have splits of their own."""
    data = study.dataset
    pool = data.n_train + data.n_validation + data.n_test
    own_splits = not data.test_given and (len(study.seeds) == 1 or "split" in varies(study.seeds))
    recipes = {row.name: row.recipe.id for row in study.rows}
    compared = {
        frozenset((recipes[row.name], recipes[row.against]))
        for row in study.rows
        if row.against in recipes and not row.excluded
    }
    n_examples = size_of(np.array(data.test_label_counts)) if metric.weighs_classes else data.n_test
    overlap = 1 / (pool if own_splits else data.n_test)
    return Design(
        n_examples=n_examples,
        overlap=overlap * data.n_test / n_examples,
        n_comparisons=sum(len(pair) == 2 for pair in compared),
        metric=metric,
        n_groups=data.n_test_groups,
        groups_count_as=data.test_groups_count_as or data.n_test_groups or inf,
    )
