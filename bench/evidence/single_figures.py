"""What single published figures allow to be said, where the predictions behind them are not known."""

from __future__ import annotations

import math

from bench.evidence.stats import difference_of_shares
from bench.evidence.student import Difference


def most_discordant(ours: int, theirs: int, n: int) -> tuple[int, int]:
    """Of all ways in which two classifiers can have `ours` and `theirs` of `n` answers right, the one where they
    disagree most: (only ours right, only theirs right).

    In the way in which they disagree least, one of the two is 0.
    """
    both_or_neither = max(0, ours + theirs - n)  # right in both, at least
    return ours - both_or_neither, theirs - both_or_neither


def widest_difference(ours: int, theirs: int, n: int) -> Difference:
    """ours/n - theirs/n with its 95% interval in the pairing that makes it widest: the most discordant one."""
    return difference_of_shares(ours / n, n, theirs / n, n, _correlation(ours, theirs, n))


def time_ratio_range(ours: float, theirs: float, digits: int = 2) -> tuple[float, float]:
    """Least and greatest ratio of two times that were rounded to so many digits."""
    half = 0.5 * 10**-digits
    return (ours - half) / (theirs + half), (ours + half) / (theirs - half)


def _correlation(ours: int, theirs: int, n: int) -> float:
    """Of the two classifiers' right answers, in the most discordant pairing; 0 where one of them is constant."""
    only_ours, only_theirs = most_discordant(ours, theirs, n)
    both = ours - only_ours
    neither = n - both - only_ours - only_theirs
    spread = ours * (n - ours) * theirs * (n - theirs)
    return (both * neither - only_ours * only_theirs) / math.sqrt(spread) if spread else 0.0
