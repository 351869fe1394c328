"""What is known of a comparison beside its verdict: probabilities, what is not ruled out, what would decide it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from statistics import median
from typing import Literal

import numpy as np

from bench.evidence.decide import Decision
from bench.evidence.design import POWER
from bench.evidence.holm import ALPHA
from bench.evidence.models import MIN_SEEDS
from bench.evidence.overdispersion import seed_variance

Needs = Literal["recipe seeds", "a few seeds", "dozens of seeds", "hundreds of seeds", "test texts"]

MOST_SEEDS = 1000
FEW, DOZENS = 12, 100  # seeds in all, at most
_TRUTHS = np.linspace(0.05, 0.95, 10)  # quantiles of the truth, as far as it is known


@dataclass(frozen=True)
class Outlook:
    """Of one comparison.

    better, within, worse: probability of a difference above the margin, within it, below it, from the t distribution
    of the estimate with a flat prior, unadjusted; loss, gain: the largest that are not ruled out for all comparisons
    together that are neither better nor worse (shares, never below zero); needs: what would decide it, None where it
    is decided or cannot be; seeds: how many in all, as the median over the truths that are likely; minutes: for those
    that are missing, each run alone.
    """

    better: float
    within: float
    worse: float
    loss: float
    gain: float
    needs: Needs | None = None
    seeds: int | None = None
    minutes: float | None = None


def outlook(decision: Decision, margin: float) -> Outlook | None:
    """None where nothing is tested."""
    if not decision.comparison.is_tested:
        return None
    estimate = decision.estimate
    loss, gain = _not_ruled_out(decision)
    better, worse = estimate.above(margin), estimate.below(-margin)
    needs, seeds = _needs(decision, margin)
    missing = seeds - decision.comparison.n_seeds if seeds else None
    seconds = decision.comparison.seconds
    return Outlook(
        better=better,
        within=max(0.0, 1 - better - worse),
        worse=worse,
        loss=loss,
        gain=gain,
        needs=needs,
        seeds=seeds,
        minutes=missing * seconds / 60 if missing and seconds else None,
    )


def _not_ruled_out(decision: Decision) -> tuple[float, float]:
    """The largest loss and gain that no look rules out; with the level of the next look where none was taken."""
    level = ALPHA * decision.differ_share
    ranges = [look.estimate.interval(1 - level * look.share) for look in decision.looks] or [
        decision.estimate.interval(1 - level * decision.next_share)
    ]
    return max(0.0, -max(one.low for one in ranges)), max(0.0, min(one.high for one in ranges))


def _needs(decision: Decision, margin: float) -> tuple[Needs | None, int | None]:
    if decision.call in ("better", "worse", "no difference"):
        return None, None
    if not decision.comparison.is_of_recipes:
        return "recipe seeds", MIN_SEEDS
    seeds = _typical_number(decision, margin)
    if seeds == inf:
        return "test texts", None
    needs: Needs = (
        "a few seeds" if seeds <= FEW else "dozens of seeds" if seeds <= DOZENS else "hundreds of seeds"
    )
    return needs, int(seeds)


def _typical_number(decision: Decision, margin: float) -> float:
    """The number of seeds, more than now, that would decide: the median over what the truth may be.

    What is seen of few seeds is not taken for the truth. Infinite where MOST_SEEDS would not do.
    """
    from scipy.special import stdtrit

    now = decision.comparison.n_seeds
    counts = np.unique(np.geomspace(now + 1, MOST_SEEDS, 80).round().astype(int))
    alpha = ALPHA * decision.next_share
    estimate = decision.estimate
    truths = estimate.value + np.sqrt(estimate.variance) * stdtrit(estimate.dof, _TRUTHS)
    decides = np.zeros((len(truths), len(counts)), dtype=bool)
    for distance, tail, least in (
        (abs(truths), alpha * decision.differ_share / 2, 0.0),
        (margin - abs(truths), alpha * decision.same_share, margin * (1 - margin)),
    ):
        error, dof = future(decision, counts, least)
        decides |= distance[:, None] > error * (stdtrit(dof, 1 - tail) + stdtrit(dof, POWER))
    return median(float(counts[line.argmax()]) if line.any() else inf for line in decides)


def future(decision: Decision, counts: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors and degrees of freedom with so many seeds, if these are like those that were seen."""
    paired = decision.comparison.paired
    assert decision.moderated is not None
    of_seeds = seed_variance(paired, decision.moderated) / counts
    share_variance = (1 / paired.n_examples + (counts - 1) * paired.overlap) / counts
    variance = np.maximum(
        of_seeds + paired.example_variance, np.maximum(least * share_variance, share_variance**2)
    )
    share = np.minimum(1.0, of_seeds / variance)
    dof = decision.moderated.dof * (counts - 1) / (paired.n_seeds - 1)
    both = 1 / (share / dof + (1 - share) / paired.example_dof)
    if paired.groups_count_as is not None:
        both = np.minimum(both, paired.example_dof)
    return np.sqrt(variance), both
