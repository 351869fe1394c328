"""Differences between two rows that ran with the same seeds on the same examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """Mean difference in accuracy (share, 0 to 1) and its interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(
    ours: np.ndarray, theirs: np.ndarray, level: float = 0.95, n_resamples: int = 10_000, seed: int = 0
) -> Difference:
    """Percentile bootstrap of mean(ours - theirs) over seeds and examples at once.

    ours, theirs: (n_seeds, n_examples), 1 where the prediction was right, in the same order. Each resample
    draws seeds, and examples that are the same for all its seeds, with replacement (a two-way bootstrap after
    Owen 2007, "The pigeonhole bootstrap": it tends to err towards intervals that are too wide).
    """
    if ours.shape != theirs.shape or ours.ndim != 2:
        raise ValueError(
            f"paired rows need equal shapes (seeds, examples), not {ours.shape} and {theirs.shape}"
        )
    difference = ours.astype(np.float64) - theirs
    n_seeds, n_examples = difference.shape
    random = np.random.default_rng(seed)
    # How often each seed and each example is drawn, as weights: no resample is ever written out.
    seeds = random.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_resamples) / n_seeds
    examples = (
        random.multinomial(n_examples, np.full(n_examples, 1 / n_examples), size=n_resamples) / n_examples
    )
    means = np.einsum("rs,se,re->r", seeds, difference, examples, optimize=True)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Difference(float(difference.mean()), float(low), float(high))
