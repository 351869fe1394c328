"""How sure a figure is, from counts alone."""

from __future__ import annotations

import math
from statistics import NormalDist

from bench.evidence.student import Difference


def wilson(share: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a share that was seen in `n` examples (Wilson 1927): (low, high), 0 to 1.

    With z the normal quantile of `level`, the interval is

        (share + z^2/2n  -+  z sqrt(share (1 - share)/n + z^2/4n^2)) / (1 + z^2/n)

    It keeps its level near 0 and 1, where classifiers live and the usual interval collapses. `share` may
    be a mean over runs on the same `n` examples: the examples are what is uncertain, so `n` is counted once.
    Raises ValueError for a share or level outside its range, or without examples.
    """
    if n < 1 or not 0 <= share <= 1 or not 0 < level < 1:
        raise ValueError(f"no interval for share={share}, n={n}, level={level}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # The interval holds the share and stays in 0..1; rounding must not say otherwise.
    return max(0.0, min(share, (centre - half) / scale)), min(1.0, max(share, (centre + half) / scale))


def difference_of_shares(
    share: float, n: int, other: float, n_other: int, correlation: float = 0.0
) -> Difference:
    """share - other, seen in `n` and `n_other` examples, with its 95% interval from both Wilson intervals.

    For shares whose pairing is not known, or that were seen in different examples. Newcombe (1998): "Interval
    estimation for the difference between independent proportions", method 10, and with a `correlation` of the
    answers to the same examples, "Improved confidence intervals for the difference between binomial proportions
    based on paired data", method 10 too, without its continuity correction.
    """
    return squared_and_added(share, wilson(share, n), other, wilson(other, n_other), correlation)


def squared_and_added(
    mean: float,
    bounds: tuple[float, float],
    other: float,
    other_bounds: tuple[float, float],
    correlation: float = 0.0,
) -> Difference:
    """mean - other with an interval from those of both: the distances to their bounds are squared and added."""
    (low, high), (low_other, high_other) = bounds, other_bounds

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a - 2 * correlation * a * b + b * b))

    difference = mean - other
    return Difference(
        difference,
        difference - reach(mean - low, high_other - other),
        difference + reach(high - mean, other - low_other),
    )
