"""What single published figures allow to be said, where the predictions behind them are not known."""

from __future__ import annotations

import math

from scipy.stats import binomtest

from bench.evidence.stats import difference_of_shares
from bench.evidence.student import Difference


def right_answers(percent: float, n: int) -> int | None:
    """How many of `n` answers were right, of a percentage with two digits; None if no whole number gives it."""
    right = round(percent * n / 100)
    return right if abs(100 * right / n - percent) <= 0.005 + 1e-9 else None


def most_discordant(ours: int, theirs: int, n: int) -> tuple[int, int]:
    """Of all ways in which two classifiers can have `ours` and `theirs` of `n` answers right, the one where they
    disagree most: (only ours right, only theirs right).

    In the way in which they disagree least, one of the two is 0.
    """
    both_or_neither = max(0, ours + theirs - n)  # right in both, at least
    return ours - both_or_neither, theirs - both_or_neither


def mcnemar_exact(only_ours: int, only_theirs: int) -> float:
    """Two-sided exact p of McNemar's test (1947) from the discordant pairs; 1 where there are none."""
    n = only_ours + only_theirs
    return float(binomtest(only_ours, n).pvalue) if n else 1.0


def mcnemar_range(ours: int, theirs: int, n: int) -> tuple[float, float]:
    """Least and greatest p of McNemar's exact test over every pairing that two counts of `n` allow.

    For a given difference, p grows with the number of disagreements.
    """
    least = mcnemar_exact(max(0, ours - theirs), max(0, theirs - ours))
    return least, mcnemar_exact(*most_discordant(ours, theirs, n))


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
