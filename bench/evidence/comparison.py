"""Two rows on the seeds that both have finished, nothing adjusted for other comparisons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bench.evidence.answers import correct, examples
from bench.evidence.models import MIN_SEEDS, p_texts, wins_and_losses
from bench.evidence.paired import Paired, Ratio, pair, paired_ratio
from bench.evidence.remember import remembered
from bench.evidence.variance import independent

if TYPE_CHECKING:
    from bench.evidence.results import RowResult
    from bench.records.record import Record


@dataclass(frozen=True)
class Comparison:
    """Ours against theirs.

    wins, losses: examples that ours gets right more and less often; identical: both are the same recipe;
    independent: no two seeds share what others do not, as they do where they vary one thing at a time;
    seconds: what one more seed of both rows would take, each run alone.
    """

    paired: Paired
    wins: int
    losses: int
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
        """A row does not differ from its own recipe by construction; seeds that share values give no verdicts."""
        return self.independent and not self.identical

    @property
    def is_of_recipes(self) -> bool:
        """Whether there are seeds enough to speak of recipes; with fewer, words are about the trained models."""
        return self.n_seeds >= MIN_SEEDS

    @property
    def p_models(self) -> float:
        """P of no difference between these very models, by the examples on which they differ."""
        return p_texts(self.wins, self.losses)

    @property
    def reversed(self) -> Comparison:
        """Theirs against ours."""
        time = self.time and Ratio(
            1 / self.time.ratio, 1 / self.time.high, _inverse(self.time.low), self.time.p
        )
        return replace(self, paired=self.paired.reversed, wins=self.losses, losses=self.wins, time=time)


@remembered
def compare_rows(ours: RowResult, theirs: RowResult, first: int | None = None) -> Comparison | None:
    """Ours less theirs on every seed that both have finished on the same test examples; None without one.

    first: of so many seeds at the start of the study, those; None: of all.
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
    costs = [
        (mine.cost.standalone_s, other.cost.standalone_s) for mine, other in pairs if mine.cost and other.cost
    ]
    return compare_answers(
        [correct(mine) for mine, _ in pairs],
        [correct(other) for _, other in pairs],
        examples([mine for mine, _ in pairs]),
        time=paired_ratio([mine for mine, _ in costs], [other for _, other in costs]),
        identical=ours.recipe_id == theirs.recipe_id,
        independent=independent([mine.seeds for mine, _ in pairs]),
        seconds=sum(map(sum, costs)) / len(costs) if costs else None,
    )


def compare_answers(
    ours: list[np.ndarray],
    theirs: list[np.ndarray],
    shown: list[np.ndarray],
    *,
    time: Ratio | None = None,
    identical: bool = False,
    independent: bool = True,
    seconds: float | None = None,
) -> Comparison:
    """ours, theirs: for each seed (n,) 1 where the prediction was right, else 0; shown: the examples, as in `pair`."""
    wins, losses = wins_and_losses(
        [np.subtract(a, b, dtype=float) for a, b in zip(ours, theirs, strict=True)], shown
    )
    return Comparison(pair(ours, theirs, shown), wins, losses, time, identical, independent, seconds)


def _inverse(value: float) -> float:
    return 1 / value if value else float("inf")


def _same_test(mine: Record, other: Record) -> bool:
    return (
        mine.seeds == other.seeds
        and mine.dataset.fingerprint == other.dataset.fingerprint
        and mine.test is not None
        and other.test is not None
    )
