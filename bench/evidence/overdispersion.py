"""How much more the seeds of a comparison scatter than their predictions alone would make them.

Three seeds say little of their own variance, so each comparison also learns from the others of its study
(empirical Bayes; Smyth 2004). What is learned is a ratio without units, so that rows of any accuracy can be
compared: the *overdispersion*, the variance of a seed's difference on the logit scale over the one that
independent predictions would give. docs/evidence.md has the rule and how often it errs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from bench.evidence.paired import Paired
from bench.evidence.student import Estimate

LEAST_SHARE = 0.02  # of the predictions' variance that examples in common leave to the seeds, at least
LEAST_SEEN = 0.05  # an overdispersion below it counts as this where others learn from it: log 0 says nothing
MIN_OTHERS = 3  # comparisons to learn from; of fewer nothing is learned


@dataclass(frozen=True)
class Scatter:
    """A difference of two rows on the scale of their metric and what makes it scatter.

    slope: change on that scale per change of our score; seed_variance: of one seed's difference, as the
    predictions alone would make it; example_variance: as in Paired, on this scale.
    """

    value: float
    slope: float
    overdispersion: float
    seed_variance: float
    example_variance: float
    n_seeds: int


@dataclass(frozen=True)
class Moderated:
    """The overdispersion that a test counts with, and the degrees of freedom of the seeds behind it."""

    overdispersion: float
    dof: float


@dataclass(frozen=True)
class Usual:
    """What other comparisons are like: an overdispersion, and the degrees of freedom that it is worth."""

    dof: float = 0.0
    overdispersion: float = 1.0


def scatter(paired: Paired, margin: float = 0.0) -> Scatter:
    """Our score less their score + margin, on the scale of the metric: logit(our accuracy) - logit(theirs)."""
    ours, u = paired.scale.place(paired.ours, paired.n_answers)
    theirs, v = paired.scale.place(paired.theirs, paired.n_answers, margin)
    predictions = paired.within.of(u, v)
    of_difference = paired.within.of(1, 1)
    examples = paired.example_variance * predictions / of_difference if of_difference else 0.0
    alone = max(predictions - examples, LEAST_SHARE * predictions, 1e-12)
    return Scatter(
        value=ours - theirs,
        slope=u,
        overdispersion=paired.between.of(u, v) / alone,
        seed_variance=alone,
        example_variance=examples,
        n_seeds=paired.n_seeds,
    )


def moderate(scatters: Sequence[Scatter], learned_from: Sequence[Usual] | None = None) -> list[Moderated]:
    """For each comparison the overdispersion that its tests count with, learned from all the others.

    It lies between its own and the usual one of the others, but never below its own, and never below 1. The
    others count for no more than the comparison's own seeds. learned_from: what the others of each are like;
    None: as they are in `scatters`.
    """
    own = np.array([one.overdispersion for one in scatters])
    own_dof = np.array([one.n_seeds - 1.0 for one in scatters])
    others = usual_of(scatters) if learned_from is None else learned_from
    usual_dof = np.array([one.dof for one in others])
    usual_value = np.array([one.overdispersion for one in others])
    learned = np.minimum(usual_dof, own_dof)
    shrunk = np.maximum(1.0, (learned * usual_value + own_dof * own) / (learned + own_dof))
    used = np.maximum(own, shrunk)
    dof = own_dof + learned * np.minimum(1.0, shrunk / used)
    return [Moderated(float(value), float(freedom)) for value, freedom in zip(used, dof, strict=True)]


def usual_of(scatters: Sequence[Scatter]) -> list[Usual]:
    """For each comparison what the others are like."""
    own = np.array([one.overdispersion for one in scatters])
    found = usual(own, np.array([one.n_seeds - 1.0 for one in scatters]))
    return [Usual(float(dof), float(value)) for dof, value in zip(*found, strict=True)]


def usual(own: np.ndarray, own_dof: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of m comparisons what the others are like: (m,) degrees of freedom and (m,) overdispersions.

    The scaled F distribution that fits the others' overdispersions (Smyth 2004, section 6.2). No degrees of
    freedom where there are too few others, infinite ones where they differ no more than chance makes them.
    """
    from scipy.special import digamma, zeta

    m = len(own)
    if m - 1 < MIN_OTHERS:
        return np.zeros(m), np.ones(m)
    half_dof = own_dof / 2
    logs = np.log(np.maximum(own, LEAST_SEEN)) - digamma(half_dof) + np.log(half_dof)
    others = np.array([np.delete(np.arange(m), i) for i in range(m)])  # (m, m - 1)
    mean = logs[others].mean(axis=1)
    surplus = logs[others].var(axis=1, ddof=1) - zeta(2, half_dof)[others].mean(
        axis=1
    )  # zeta(2, x): trigamma
    half = inverse_trigamma(np.maximum(surplus, 1e-6))
    scale = np.exp(mean + digamma(half) - np.log(half))
    return np.where(surplus > 1e-6, 2 * half, inf), np.where(surplus > 1e-6, scale, np.exp(mean))


def logit_estimate(paired: Paired, found: Scatter, moderated: Moderated, least: float = 0.0) -> Estimate:
    """The difference on the metric's scale; least: smallest variance of the scores that it may count with."""
    seeds = moderated.overdispersion * found.seed_variance / found.n_seeds
    return paired.estimate(found.value, seeds, moderated.dof, found.example_variance, least * found.slope**2)


def text_estimate(paired: Paired) -> Estimate:
    """The difference on the metric's scale over other examples, of these very models."""
    ours, u = paired.scale.place(paired.ours, paired.n_answers)
    theirs, v = paired.scale.place(paired.theirs, paired.n_answers)
    of_scores, of_difference = paired.over_texts(), paired.within.of(1, 1)
    ratio = paired.within.of(u, v) / of_difference if of_difference else u * u
    return replace(of_scores, value=ours - theirs, variance=of_scores.variance * ratio)


def point_estimate(paired: Paired, moderated: Moderated, least: float = 0.0) -> Estimate:
    """The difference of the scores with the same overdispersion."""
    seeds = seed_variance(paired, moderated) / paired.n_seeds
    least = max(least, paired.least_variance)
    return paired.estimate(paired.mean, seeds, moderated.dof, paired.example_variance, least)


def seed_variance(paired: Paired, moderated: Moderated) -> float:
    """Of one seed's difference of scores, other than through examples that seeds share."""
    predictions = paired.within.of(1, 1)
    alone = max(predictions - paired.example_variance, LEAST_SHARE * predictions)
    return moderated.overdispersion * alone


def inverse_trigamma(values: np.ndarray) -> np.ndarray:
    """x with trigamma(x) = value, by Newton's method on the reciprocal (Smyth 2004, appendix)."""
    from scipy.special import zeta

    x = 0.5 + 1 / values
    for _ in range(50):
        trigamma = zeta(2, x)
        step = trigamma * (1 - trigamma / values) / (-2 * zeta(3, x))
        x = x + step
        if (abs(step) < 1e-10 * x).all():
            break
    return np.asarray(x)
