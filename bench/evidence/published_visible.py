"""The smallest difference that a test of some size can show, by the right answers alone: one run a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.evidence.holm import ALPHA
from bench.evidence.models import p_texts
from bench.evidence.single_figures import most_discordant

Pairing = Callable[[int, int, int], tuple[int, int]]  # right answers of two rows, items -> discordant pairs
MOST_ITEMS = 10**7


@dataclass(frozen=True)
class Visible:
    """How far a row must lie above and below another to stand (share); None: no figure does."""

    above: float | None
    below: float | None


def kindest(ours: int, theirs: int, _n: int) -> tuple[int, int]:
    """The pairing in which two rows disagree least: one is right wherever the other is."""
    return max(0, ours - theirs), max(0, theirs - ours)


def harshest(ours: int, theirs: int, n: int) -> tuple[int, int]:
    """The pairing in which they disagree most."""
    return most_discordant(ours, theirs, n)


def visible(right: int, n: int, n_comparisons: int, pairing: Pairing) -> Visible:
    """The smallest differences from a row with `right` of `n` that stand as the first of so many comparisons.

    By McNemar's exact test in that pairing; Holm's method gives the first of m comparisons a level of alpha / m.
    """
    level = ALPHA / n_comparisons

    def stands(apart: int, sign: int) -> bool:
        return p_texts(*pairing(right + sign * apart, right, n)) < level

    above = _first(lambda apart: stands(apart, 1), n - right)
    below = _first(lambda apart: stands(apart, -1), right)
    return Visible(None if above is None else above / n, None if below is None else below / n)


def items_needed(share: float, other: float) -> int | None:
    """Test items from which two accuracies (or errors) would stand alone in the harshest pairing; None: too many."""

    def stands(n: int) -> bool:
        counts = sorted((round(share * n), round(other * n)))
        return p_texts(*most_discordant(counts[1], counts[0], n)) < ALPHA

    return _first(stands, MOST_ITEMS)


def _first(holds: Callable[[int], bool], most: int) -> int | None:
    """The smallest number of 1 to `most` that something holds for, which holds for all above it; None if for none."""
    if most < 1 or not holds(most):
        return None
    low, high = 0, most  # holds at high, not at low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
