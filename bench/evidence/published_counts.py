"""What a rounded percentage says of the right answers behind it, and what two such figures say of each other."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from bench.evidence.models import p_texts
from bench.evidence.single_figures import most_discordant, widest_difference
from bench.evidence.student import Difference
from bench.published.figures import decimals


def share_bounds(figure: Decimal) -> tuple[Fraction, Fraction]:
    """The shares (0 to 1) that print as this percentage, either way of rounding a tie."""
    half = Fraction(1, 2 * 10 ** decimals(figure))
    return max(Fraction(0), (Fraction(figure) - half) / 100), min(
        Fraction(1), (Fraction(figure) + half) / 100
    )


def counts_of(figure: Decimal, n: int, averaged: bool = False) -> range:
    """The numbers of `n` items that print as this percentage; empty where none does.

    averaged: the figure is of several runs, so it lies between counts: those around it are taken as well.
    """
    low, high = (share * n for share in share_bounds(figure))
    return range(floor(low), ceil(high) + 1) if averaged else range(ceil(low), floor(high) + 1)


def nearest(figure: Decimal, n: int) -> tuple[tuple[int, float], tuple[int, float]]:
    """The count below and the count above a percentage that none gives, each with its own percentage."""
    k = floor(Fraction(figure) / 100 * n)
    return (k, 100 * k / n), (k + 1, 100 * (k + 1) / n)


def p_range(ours: Sequence[int], theirs: Sequence[int], n: int) -> tuple[float, float]:
    """Least and greatest p of McNemar's exact test over all pairings of all counts that two figures allow.

    ours, theirs: the counts in order. Least: the two furthest apart, one row right wherever the other is.
    Greatest: the two closest together, disagreeing as much as they can; 1 where both may be the same count.
    """
    widest = max(ours[-1] - theirs[0], theirs[-1] - ours[0])
    least = p_texts(max(0, widest), 0)
    if ours[0] <= theirs[-1] and theirs[0] <= ours[-1]:
        return least, 1.0
    closest = (ours[0], theirs[-1]) if ours[0] > theirs[-1] else (ours[-1], theirs[0])
    return least, p_texts(*most_discordant(*closest, n))


def difference_range(ours: Sequence[int], theirs: Sequence[int], n: int) -> Difference:
    """The difference of two figures with its widest 95% interval: over all counts, in the most discordant pairing."""
    ends = [widest_difference(a, b, n) for a in (ours[0], ours[-1]) for b in (theirs[0], theirs[-1])]
    middle = (ours[0] + ours[-1] - theirs[0] - theirs[-1]) / (2 * n)
    return Difference(middle, min(end.low for end in ends), max(end.high for end in ends))
