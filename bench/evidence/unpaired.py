"""The difference of two shares whose pairing is not known, or that were seen in different examples."""

from __future__ import annotations

import math

from bench.evidence.stats import wilson
from bench.evidence.student import Difference


def difference_of_shares(
    share: float, n: int, other: float, n_other: int, correlation: float = 0.0
) -> Difference:
    """share - other, seen in `n` and `n_other` examples, with its 95% interval from both Wilson intervals.

    Newcombe (1998): "Interval estimation for the difference between independent proportions", method 10, and
    with a `correlation` of the answers to the same examples, "Improved confidence intervals for the difference
    between binomial proportions based on paired data", method 10 too, without its continuity correction.
    """
    (low, high), (low_other, high_other) = wilson(share, n), wilson(other, n_other)

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a - 2 * correlation * a * b + b * b))

    difference = share - other
    return Difference(
        difference,
        difference - reach(share - low, high_other - other),
        difference + reach(high - share, other - low_other),
    )
