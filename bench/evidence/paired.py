"""Two rows that ran with the same seeds on the same examples: what any test of their difference needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, inf, sqrt
from typing import NamedTuple

import numpy as np

from bench.evidence.clusters import Clusters
from bench.evidence.scale import LOGIT, Scale
from bench.evidence.student import Estimate
from bench.records.groups import are_enough


@dataclass(frozen=True)
class Ratio:
    """Geometric mean of paired ratios, its interval, and the p of a ratio of one.

    One pair leaves every ratio possible: 0 to infinity.
    """

    ratio: float
    low: float
    high: float
    p: float = 1.0


class Moments(NamedTuple):
    """Second moments of the scores of two rows: two variances and their covariance."""

    ours: float
    both: float
    theirs: float

    def of(self, u: float, v: float) -> float:
        """Variance of u * ours - v * theirs."""
        return max(0.0, u * u * self.ours - 2 * u * v * self.both + v * v * self.theirs)


@dataclass(frozen=True)
class Paired:
    """Answers of two rows, paired by seed and example, and where the variance of their difference comes from.

    The score is the accuracy, or another metric. ours, theirs: its mean over the seeds; between: moments of the
    seeds' scores over the seeds;
    within: what these would be if a seed did nothing but draw its n examples, the mean over the seeds;
    example_variance: mean covariance of two seeds' differences, which comes from the examples they share and
    which more seeds leave as it is; text_variance: of the mean difference of these very runs over other
    examples; overlap: 1 / n_examples where all seeds share their examples and 0 where none does; scale: on which
    scores are compared; n_groups: in the test parts of all seeds, None where each example is independent of the others,
    and groups_count_as: of equal size.
    """

    n_seeds: int
    n_examples: float  # that one seed counts as, on average
    n_answers: float  # of all seeds
    ours: float
    theirs: float
    between: Moments
    within: Moments
    example_variance: float
    text_variance: float
    overlap: float
    scale: Scale = LOGIT
    n_groups: int | None = None
    groups_count_as: float | None = None

    @property
    def mean(self) -> float:
        """Mean difference of the scores, ours less theirs."""
        return self.ours - self.theirs

    @property
    def reversed(self) -> Paired:
        """The same runs with the two rows exchanged."""
        return replace(
            self,
            ours=self.theirs,
            theirs=self.ours,
            between=Moments(*reversed(self.between)),
            within=Moments(*reversed(self.within)),
        )

    @property
    def example_dof(self) -> float:
        """Degrees of freedom of the variance that lies in the examples: those of the groups, where there are any."""
        independent = self.n_examples if self.groups_count_as is None else self.groups_count_as
        return max(1.0, independent - 1)

    @property
    def has_enough_groups(self) -> bool:
        """Whether the groups say anything of others; true without groups."""
        return are_enough(self.n_groups)

    @property
    def share_variance(self) -> float:
        """Variance of the mean of a share p, less the factor p (1 - p), if an example fared alike with all seeds."""
        return (1 / self.n_examples + (self.n_seeds - 1) * self.overlap) / self.n_seeds

    @property
    def least_variance(self) -> float:
        """What the variance counts as at least: agreement on every example that was seen proves no equality."""
        return self.share_variance**2

    def over_seeds(self) -> Estimate:
        """The difference over other seeds and examples, from these seeds alone."""
        seeds = self.between.of(1, 1) / self.n_seeds
        return self.estimate(self.mean, seeds, self.n_seeds - 1, self.example_variance)

    def over_texts(self) -> Estimate:
        """The difference of these very runs over other examples like these."""
        variance = max(self.text_variance, self.least_variance)
        return Estimate(self.mean, variance, self.example_dof, self.scale.most)

    def estimate(
        self, value: float, seed_variance: float, seed_dof: float, example_variance: float, least: float = 0.0
    ) -> Estimate:
        """A value whose variance has two parts, at least `least` together.

        The degrees of freedom are the harmonic mean of the parts', weighted by their variances; with groups no more
        than theirs, as few groups may hide how much they vary. Satterthwaite's formula (1946), with the squares of
        the shares, keeps its level less well with three seeds.
        """
        variance = max(seed_variance + example_variance, least)
        share = min(1.0, seed_variance / variance) if variance else 0.0
        dof = 1 / (share / max(1.0, seed_dof) + (1 - share) / self.example_dof)
        dof = dof if self.groups_count_as is None else min(dof, self.example_dof)
        return Estimate(value, variance, dof, self.scale.most)


def pair(
    ours: Sequence[np.ndarray],
    theirs: Sequence[np.ndarray],
    examples: Sequence[np.ndarray],
    sizes: Sequence[float] | None = None,
    scale: Scale = LOGIT,
    groups: Sequence[np.ndarray] | None = None,
) -> Paired:
    """Reduce answers to the moments that every test needs.

    ours, theirs: for each seed (n,) 1 where the row was right, else 0, or other values whose mean is the score;
    examples: for each seed (n,) numbers that say which example it was, equal where two seeds saw the same one;
    sizes: examples that each seed counts as, None: as many as there are (see bench/evidence/metric.py); groups: for
    each seed (n,) numbers of the groups whose examples vary together, None: each example is one by itself.

    With d_s the mean difference of seed s, the variance of the mean over seeds is

        variance of d_s over seeds / n_seeds  +  mean covariance of two seeds' means

    where only shared groups make two seeds covary: the sum over them of the product of both seeds'
    deviations (see bench/evidence/clusters.py). This is the two-way bootstrap (Owen 2007) without resampling and
    without counting twice what both ways see; it holds for the same examples in every seed, for splits that overlap,
    and for disjoint ones.
    With one seed only the examples' variance can be known. Raises ValueError without seeds or examples.
    """
    counts = [len(a) for a in ours]
    if not counts or any(
        len(a) == 0 or not len(a) == len(b) == len(e) for a, b, e in zip(ours, theirs, examples, strict=True)
    ):
        raise ValueError("paired rows need at least one seed, and examples with a number each in every seed")
    n_seeds = len(counts)
    means = np.array([[a.mean(), b.mean()] for a, b in zip(ours, theirs, strict=True)])  # (S, 2)
    clusters = Clusters.of(examples if groups is None else groups)
    own, shared = (1.0, 1.0) if groups is None else clusters.corrections()
    mine, other = clusters.deviations(ours), clusters.deviations(theirs)
    within = own * np.array([mine @ mine, mine @ other, other @ other]) / n_seeds
    residuals = mine - other
    sums = np.bincount(clusters.group_of, residuals)
    together, apart = float(sums @ sums), float(residuals @ residuals)
    n_pairs = max(1, n_seeds * (n_seeds - 1))
    sizes = counts if sizes is None else sizes
    return Paired(
        n_seeds=n_seeds,
        n_examples=n_seeds / sum(1 / size for size in sizes),
        n_answers=sum(sizes),
        ours=float(means[:, 0].mean()),
        theirs=float(means[:, 1].mean()),
        between=_moments(_covariance(means[:, 0], means[:, 1])),
        within=_moments(within),
        example_variance=max(0.0, shared * (together - apart) / n_pairs) if n_seeds > 1 else own * apart,
        text_variance=own * together / n_seeds**2,
        overlap=_overlap(examples, sizes),
        scale=scale,
        n_groups=None if groups is None else clusters.n_groups,
        groups_count_as=None if groups is None else clusters.counts_as,
    )


def _overlap(examples: Sequence[np.ndarray], sizes: Sequence[float]) -> float:
    """See `Paired`: the mean over pairs of seeds."""
    n_seeds = len(examples)
    shares = np.concatenate(
        [np.full(len(e), sqrt(1 / (len(e) * size))) for e, size in zip(examples, sizes, strict=True)]
    )
    ids = np.unique(np.concatenate(examples), return_inverse=True)[1]
    both = float((np.bincount(ids, shares) ** 2).sum() - shares @ shares)
    return max(0.0, both / max(1, n_seeds * (n_seeds - 1)))


def paired_ratio(ours: Sequence[float], theirs: Sequence[float], level: float = 0.95) -> Ratio | None:
    """Geometric mean of ours / theirs, paired by seed, with Student's interval on the logarithms.

    None without pairs, or where a value is not above zero.
    """
    if not ours or min(*ours, *theirs) <= 0:
        return None
    logs = np.log(ours) - np.log(theirs)
    mean = float(logs.mean())
    if len(logs) == 1:
        return Ratio(exp(mean), 0.0, inf)
    estimate = Estimate(mean, float(logs.var(ddof=1)) / len(logs), len(logs) - 1)
    half = estimate.half_width(level)
    return Ratio(exp(mean), exp(mean - half), exp(mean + half), estimate.p_zero())


def _covariance(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """(3,) sample variance of ours, covariance, variance of theirs; zero of a single value."""
    a, b = ours - ours.mean(), theirs - theirs.mean()
    return np.array([a @ a, a @ b, b @ b]) / max(1, len(ours) - 1)


def _moments(values: np.ndarray) -> Moments:
    return Moments(*map(float, values))
