"""Test texts that vary together, such as those of one user or thread: sums by group, and what they say of a mean.

A mean over texts is then about as uncertain as its groups are few. Its variance is that of sums by group (Liang and
Zeger 1986) with the small-sample factor G / (G - 1); a text without a group is one by itself, which gives the usual
variance of a mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.records.groups import MIN_GROUPS


@dataclass(frozen=True)
class Clusters:
    """The groups of each seed's texts. A cell is a group within a seed; of C cells over S seeds and G groups:

    cell_of: (N,) of each text, seed after seed; seed_of, group_of: (C,) of each cell; n_of: (S,) texts of each seed.
    """

    cell_of: np.ndarray
    seed_of: np.ndarray
    group_of: np.ndarray
    n_of: np.ndarray

    @classmethod
    def of(cls, groups: Sequence[np.ndarray]) -> Clusters:
        """groups: for each seed (n,) the group of each text; equal where two seeds saw texts of the same one."""
        n_of = np.array([len(one) for one in groups])
        found, ids = np.unique(np.concatenate(groups), return_inverse=True)
        codes, cell_of = np.unique(
            np.repeat(np.arange(len(n_of)), n_of) * len(found) + ids, return_inverse=True
        )
        seed_of, group_of = np.divmod(codes, len(found))
        return cls(cell_of, seed_of, group_of, n_of)

    @cached_property
    def shares(self) -> np.ndarray:
        """(C,) share of its seed's texts that each cell holds."""
        return np.asarray(np.bincount(self.cell_of) / self.n_of[self.seed_of])

    @cached_property
    def cells_of_seed(self) -> np.ndarray:
        """(S,) groups of each seed."""
        return np.bincount(self.seed_of)

    @cached_property
    def factors(self) -> np.ndarray:
        """(S,) square root of G / (G - 1); one of a single group."""
        return np.asarray(np.sqrt(self.cells_of_seed / np.maximum(1, self.cells_of_seed - 1)))

    @property
    def n_groups(self) -> int:
        """Groups in all seeds together; one where a seed has a single group, which says nothing of others."""
        return int(self.group_of.max()) + 1 if self.cells_of_seed.min() > 1 else 1

    @property
    def counts_as(self) -> float:
        """Groups of equal size that they are worth, by Kish's formula: less than `n_groups` where some are large."""
        weights = np.bincount(self.group_of, self.shares)
        return float(weights.sum() ** 2 / (weights @ weights))

    def deviations(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """(C,) sums of what texts deviate from their seed's mean, over its texts, with its factor.

        values: for each seed (n,). The sum of a seed's squares is the variance of its mean; the sum of products of two
        seeds over their common groups is the covariance of their means.
        """
        centred = np.concatenate([one - one.mean() for one in values])
        return np.asarray(np.bincount(self.cell_of, centred) * (self.factors / self.n_of)[self.seed_of])

    def corrections(self) -> tuple[float, float]:
        """What variances of a seed, and covariances of two, are to be multiplied by.

        Deviations from a seed's own mean are too small where a group holds much of it, the more so across two seeds
        with few common groups. The factors make both right on average where all texts of a group have the same value
        (as in Bell and McCaffrey 2002); they are 1 for groups of equal size that all seeds share.
        """
        n_seeds = len(self.n_of)
        table = np.zeros((n_seeds, int(self.group_of.max()) + 1))  # (S, G) shares
        table[self.seed_of, self.group_of] = self.shares
        common = table @ table.T  # (S, S) covariance of two means, where groups have variance 1
        cubes = table**2 @ table.T
        seen = np.outer(self.factors, self.factors) * (common - cubes - cubes.T + common**2)
        apart = ~np.eye(n_seeds, dtype=bool)
        return _ratio(np.diag(common), np.diag(seen)), _ratio(common[apart], seen[apart])


def _ratio(true: np.ndarray, seen: np.ndarray) -> float:
    return float(true.sum() / seen.sum()) if seen.sum() > 1e-12 else 1.0


def variance_of_mean(values: np.ndarray, groups: np.ndarray | None) -> float:
    """Of values (n,) with groups (n,); None: each value is independent of the others."""
    if groups is None:
        return float(values.var(ddof=1)) / len(values)
    clusters = Clusters.of([groups])
    sums = clusters.deviations([values])
    return float(sums @ sums) * clusters.corrections()[0]


def independent_texts(right: np.ndarray, groups: np.ndarray) -> float:
    """How many independent texts would make accuracy as uncertain (Kish's design effect). right, groups: (n,).

    Never more than there are; as many as groups where all answers are right or all wrong, and no more than that of so
    few groups that they may score alike by chance.
    """
    clusters = Clusters.of([groups])
    if clusters.n_groups == 1:
        return clusters.counts_as
    by_text, by_group = variance_of_mean(right, None), variance_of_mean(right, groups)
    if by_text == 0:
        return clusters.counts_as
    found = max(1.0, len(right) * min(1.0, by_text / by_group)) if by_group else float(len(right))
    return found if clusters.n_groups >= MIN_GROUPS else min(found, clusters.counts_as)
