"""Which looks to take next, so that the most is decided per second. Error rates do not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Generic

import numpy as np

from bench.evidence.decide import Decision
from bench.evidence.holm import ALPHA
from bench.evidence.looks import Name
from bench.evidence.outlook import future
from bench.records.study import PlannedLook


@dataclass(frozen=True)
class NextLook(Generic[Name]):
    """The next look of an open comparison.

    decides_at: seeds of the first look that decides it if its figures stay as they are, None where none does;
    seconds: until then, or until the next look where none does.
    """

    name: Name
    seeds: int
    decides_at: int | None
    seconds: float


def next_looks(
    decisions: Mapping[Name, Decision],
    scheme: Sequence[PlannedLook],
    margin: float,
    seconds_to: Callable[[Name, int], float],
) -> list[NextLook[Name]]:
    """Open comparisons with a look left, the one whose decision is forecast soonest first, hopeless ones last.

    seconds_to: what a comparison takes until both of its rows have so many seeds; infinite where they cannot.
    """
    found = []
    for name, decision in decisions.items():
        taken = {look.seeds for look in decision.looks}
        left = [look for look in scheme if look.seeds > max(taken, default=0)]
        if decision.call != "undecided" or not decision.comparison.is_tested or not left:
            continue
        decides_at = _decides_at(decision, left, margin)
        seconds = seconds_to(name, decides_at or left[0].seeds)
        if seconds < inf:
            found.append(NextLook(name, left[0].seeds, decides_at, seconds))
    return sorted(found, key=lambda one: (one.decides_at is None, one.seconds))


def together(candidates: Sequence[NextLook[Name]]) -> list[NextLook[Name]]:
    """The first, and those that go as far for the same reason: their runs can share work."""
    return [
        one
        for one in candidates
        if (one.seeds, one.decides_at) == (candidates[0].seeds, candidates[0].decides_at)
    ]


def _decides_at(decision: Decision, left: Sequence[PlannedLook], margin: float) -> int | None:
    from scipy.special import stdtrit

    if decision.moderated is None:
        return None
    counts = np.array([look.seeds for look in left])
    alpha = ALPHA * np.array([look.share for look in left])
    mean = abs(decision.estimate.value)
    decides = np.zeros(len(left), dtype=bool)
    for distance, tail, least in (
        (mean, alpha * decision.differ_share / 2, 0.0),
        (margin - mean, alpha * decision.same_share, margin * (1 - margin)),
    ):
        error, dof = future(decision, counts, least)
        decides |= distance > error * stdtrit(dof, 1 - tail)
    return int(counts[decides.argmax()]) if decides.any() else None
