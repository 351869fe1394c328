"""How much of the scatter between seeds is made by the start values, by the order of training, by the split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from gptcore.recipe import Seeds

KINDS = tuple(Seeds.model_fields)  # init, order, split


@dataclass(frozen=True)
class Component:
    """Variance that comes with seeds of these kinds; of several where they only ever change together."""

    kinds: tuple[str, ...]
    variance: float


def confounded(seeds: Sequence[Seeds]) -> list[tuple[str, ...]]:
    """The kinds of seed that vary, those together that change between the same runs; none if nothing varies."""
    patterns: dict[tuple[bool, ...], tuple[str, ...]] = {}
    for kind in KINDS:
        pattern = tuple(getattr(a, kind) != getattr(b, kind) for a, b in combinations(seeds, 2))
        if any(pattern):
            patterns[pattern] = (*patterns.get(pattern, ()), kind)
    return list(patterns.values())


def varies(seeds: Sequence[Seeds]) -> frozenset[str]:
    """The kinds of seed that differ between any two of these."""
    return frozenset(kind for group in confounded(seeds) for kind in group)


def independent(seeds: Sequence[Seeds]) -> bool:
    """Whether each seed differs from each other in the same kinds, so that no two runs share what others do not."""
    return _independent(tuple(seeds))


@lru_cache(maxsize=1024)  # the rows of a study share their seeds, and each pair of seeds is looked at
def _independent(seeds: tuple[Seeds, ...]) -> bool:
    groups = confounded(seeds)
    return len(groups) <= 1 and all(
        getattr(a, group[0]) != getattr(b, group[0]) for group in groups for a, b in combinations(seeds, 2)
    )


def components(seeds: Sequence[Seeds], tables: Sequence[Sequence[float]]) -> list[Component] | None:
    """Variance components of values that lie in `tables`, each a value a seed; None if they cannot be told apart.

    The crossed random-effects model, value = mean of the table + one effect of each kind's seed, says of two
    runs that half their squared difference is, on average, the sum of the variances of the kinds in which they
    differ. Those sums are fitted to all pairs of runs by least squares, none below zero (a method of moments,
    as in Searle, Casella and McCulloch 1992, chapter 5). The variances are the mean over the tables.
    """
    from scipy.optimize import nnls

    groups = confounded(seeds)
    pairs = list(combinations(range(len(seeds)), 2))
    differs = np.array(
        [[getattr(seeds[i], group[0]) != getattr(seeds[j], group[0]) for group in groups] for i, j in pairs],
        dtype=float,
    )
    if not groups or len(tables) == 0 or np.linalg.matrix_rank(differs) < len(groups):
        return None
    values = np.asarray(tables, dtype=float)
    halves = np.array([((values[:, i] - values[:, j]) ** 2).mean() / 2 for i, j in pairs])
    found = nnls(differs, halves)[0]
    return [Component(group, float(variance)) for group, variance in zip(groups, found, strict=True)]
