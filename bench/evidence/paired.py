"""Differences between two rows that ran with the same seeds on the same examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, inf, sqrt

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


@dataclass(frozen=True)
class Ratio:
    """Geometric mean of paired ratios and its interval; one pair leaves every ratio possible: 0 to infinity."""

    ratio: float
    low: float
    high: float

    @property
    def excludes_one(self) -> bool:
        """Whether the interval lies on one side of one."""
        return self.low > 1 or self.high < 1


@dataclass(frozen=True)
class PairedMean:
    """The mean of paired differences in correctness, and where its variance comes from.

    seed_variance: of the mean over seeds, what more seeds shrink; example_variance: what seeds have in common
    because they were tested on the same examples, which more seeds leave as it is. `overlap` is 1 / n_examples
    where all seeds share their examples and 0 where none does.
    """

    mean: float
    seed_variance: float
    example_variance: float
    n_seeds: int
    n_examples: float  # of one seed, on average
    overlap: float
    usual: float = 0.0  # seed variance of comparisons like this one; its own counts as no smaller

    def with_seeds(self, n_seeds: int) -> PairedMean:
        """What the same differences would give with another number of seeds."""
        shrink = self.n_seeds / n_seeds
        return replace(
            self, seed_variance=self.seed_variance * shrink, usual=self.usual * shrink, n_seeds=n_seeds
        )

    def at_least(self, usual: float) -> PairedMean:
        """The same with a seed variance that counts as no smaller than `usual`."""
        return replace(self, usual=usual)

    @property
    def share_variance(self) -> float:
        """Variance of the mean of a share p, less the factor p (1 - p), if an example fared alike with all seeds."""
        return (1 / self.n_examples + (self.n_seeds - 1) * self.overlap) / self.n_seeds

    def variance(self, margin: float = 0.0) -> float:
        """Of the mean; no less than a true difference of `margin` would have.

        For a difference of M at least that share of the predictions differ, so the variance is M (1 - M) times
        `share_variance` or more, also where the two rows happened to agree on every example (the idea of
        Tango's score test, 1998).
        """
        seeds = max(self.seed_variance, self.usual)
        return max(seeds + self.example_variance, margin * (1 - margin) * self.share_variance)

    def dof(self, margin: float = 0.0) -> float:
        """Degrees of freedom of `variance`: the harmonic mean of its parts', weighted by their variances.

        The seeds' part has n_seeds - 1, and up to as many again where `usual` stands behind it. Satterthwaite's
        formula (1946), with the squares of the shares, keeps its level less well with three seeds.
        """
        variance, seeds = self.variance(margin), max(self.seed_variance, self.usual)
        of_examples = max(1.0, self.n_examples - 1)
        if not seeds:
            return of_examples
        of_seeds = max(1, self.n_seeds - 1) * (1 + self.usual / seeds)
        share = seeds / variance
        return 1 / (share / of_seeds + (1 - share) / of_examples)

    def interval(self, level: float = 0.95) -> Difference:
        """The mean with Student's interval: `level` is kept also with three seeds (docs/evidence.md).

        Cut to -1 and 1, as no two accuracies lie further apart.
        """
        from scipy.special import stdtrit

        half = float(stdtrit(self.dof(), (1 + level) / 2)) * sqrt(self.variance())
        return Difference(self.mean, max(-1.0, self.mean - half), min(1.0, self.mean + half))

    def p_difference(self) -> float:
        """Two-sided p of a mean that is zero in truth."""
        from scipy.special import stdtr

        if self.mean == 0 or not self.variance():
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stdtr(self.dof(), -abs(self.mean) / sqrt(self.variance())))

    def p_equivalence(self, margin: float) -> float:
        """P of a mean that is `margin` or more from zero in truth: the larger of two one-sided tests (TOST)."""
        from scipy.special import stdtr

        distance = (margin - abs(self.mean)) / sqrt(self.variance(margin))
        return float(stdtr(self.dof(margin), -distance))


def paired_mean(differences: Sequence[np.ndarray], examples: Sequence[np.ndarray]) -> PairedMean:
    """The mean over seeds of each seed's mean difference, and its variance over seeds *and* examples.

    differences: for each seed (n,) values of -1, 0, 1, ours less theirs; examples: for each seed (n,) numbers
    that say which example it was, equal where two seeds saw the same one.

    With d_s the mean of seed s, the variance of their mean is

        variance of d_s over seeds / n_seeds  +  mean covariance of two seeds' means

    where only shared examples make two seeds covary: the sum over them of the product of both seeds'
    deviations. This is the two-way bootstrap (Owen 2007) without resampling and without counting twice what
    both ways see; it holds for the same examples in every seed, for splits that overlap, and for disjoint ones.
    With one seed only the examples' variance can be known. Raises ValueError without seeds or examples.
    """
    if not differences or any(
        len(d) == 0 or len(d) != len(e) for d, e in zip(differences, examples, strict=True)
    ):
        raise ValueError("paired rows need at least one seed, and examples with a number each in every seed")
    n_seeds = len(differences)
    sizes = [len(d) for d in differences]
    means = np.array([d.mean() for d in differences])
    ids = np.unique(np.concatenate(examples), return_inverse=True)[1]
    residuals = np.concatenate(
        [(d - d.mean()) / sqrt(max(1, n - 1) * n) for d, n in zip(differences, sizes, strict=True)]
    )
    shares = np.concatenate([np.full(n, 1 / n) for n in sizes])
    n_examples = n_seeds / sum(1 / n for n in sizes)
    if n_seeds == 1:
        return PairedMean(float(means[0]), 0.0, float(residuals @ residuals), 1, n_examples, 0.0)
    n_pairs = n_seeds * (n_seeds - 1)
    covariance = (np.bincount(ids, residuals) ** 2).sum() - residuals @ residuals
    overlap = (np.bincount(ids, shares) ** 2).sum() - shares @ shares
    return PairedMean(
        mean=float(means.mean()),
        seed_variance=float(means.var(ddof=1) / n_seeds),
        example_variance=max(0.0, float(covariance / n_pairs)),
        n_seeds=n_seeds,
        n_examples=n_examples,
        overlap=max(0.0, float(overlap / n_pairs)),
    )


def p_mcnemar(differences: Sequence[np.ndarray]) -> float:
    """Exact McNemar test (1947) on the pooled predictions of all seeds: p of as many losses as wins."""
    from statsmodels.stats.contingency_tables import mcnemar

    wins = sum(int((d > 0).sum()) for d in differences)
    losses = sum(int((d < 0).sum()) for d in differences)
    return float(min(1.0, mcnemar([[0, wins], [losses, 0]], exact=True).pvalue))


def paired_ratio(ours: Sequence[float], theirs: Sequence[float], level: float = 0.95) -> Ratio | None:
    """Geometric mean of ours / theirs, paired by seed, with Student's interval on the logarithms.

    None without pairs, or where a value is not above zero.
    """
    from scipy.special import stdtrit

    if not ours or min(*ours, *theirs) <= 0:
        return None
    logs = np.log(ours) - np.log(theirs)
    mean = float(logs.mean())
    if len(logs) == 1:
        return Ratio(exp(mean), 0.0, inf)
    half = float(stdtrit(len(logs) - 1, (1 + level) / 2) * logs.std(ddof=1) / sqrt(len(logs)))
    return Ratio(exp(mean), exp(mean - half), exp(mean + half))
