"""Rows over several data sets: mean differences with the variance between data sets, one correction for all rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from bench.evidence.decide import Call, Decision
from bench.evidence.family import judge_family
from bench.evidence.holm import ALPHA, holm
from bench.evidence.ranks import MIN_DATASETS
from bench.evidence.results import Results
from bench.evidence.student import Estimate


@dataclass(frozen=True)
class Pooled:
    """A mean difference over data sets, and how much the data sets differ in it.

    spread: standard deviation of the true differences between data sets; p_equal: of no such spread (Cochran's Q).
    """

    estimate: Estimate
    spread: float
    p_equal: float


@dataclass(frozen=True)
class Overall:
    """A row against its reference over the data sets on which both have finished.

    by_data: name of a data set -> its own decision; pooled: with all seeds, unadjusted; p_holm: adjusted for all rows
    and looks; decided_at: seeds of the look that gave the word, None without one or where no looks are planned.
    """

    row: str
    against: str
    by_data: Mapping[str, Decision]
    pooled: Pooled | None
    p_holm: float
    p_same: float
    call: Call
    decided_at: int | None = None


@dataclass(frozen=True)
class _Look:
    """What a row shows over the data sets that have reached a look; p_differ, p_same: for its share of the level."""

    seeds: int
    estimate: Estimate
    p_differ: float
    p_same: float


def judge_overall(studies: Mapping[str, Results], margin: float) -> list[Overall]:
    """Every row that is compared in at least one of the studies, in the order of the first.

    studies: name of a data set -> its study; all are of one matrix. margin: share. Words need MIN_DATASETS data
    sets: what holds on three says next to nothing of a fourth.
    """
    families = {name: judge_family(results) for name, results in studies.items()}
    first = next(iter(studies.values()))
    by_row = {}
    for row in (result.row for result in first.rows if result.row.against):
        found = {
            name: decision
            for name, family in families.items()
            if row.against and (decision := family.of(row.name, row.against)) and _is_tested(decision)
        }
        by_row[row.name] = found
    shares = _looks(list(studies.values()))
    taken = {
        name: [look for seeds, share in shares.items() if (look := _at_look(found, seeds, share, margin))]
        for name, found in by_row.items()
    }
    # As in the family of a study, a row that is not there yet has its share of the level.
    asked = [name for name, looks in taken.items() if looks or _will_be_tested(studies.values(), name)]
    weights = {row.name: row.weight or 1.0 for row in first.study.rows}
    p_holm = holm({name: min([1.0, *(look.p_differ for look in taken[name])]) for name in asked}, weights)
    p_same = holm({name: min([1.0, *(look.p_same for look in taken[name])]) for name in asked}, weights)
    return [
        _overall(first, name, found, taken[name], p_holm.get(name, 1.0), p_same.get(name, 1.0))
        for name, found in by_row.items()
        if found
    ]


def pool(estimates: Sequence[Estimate]) -> Pooled:
    """The random-effects mean of two or more independent estimates.

    The spread is Paule and Mandel's (1982): with weights 1 / (variance + spread^2) the weighted squares add up to
    k - 1. The mean's variance is Hartung and Knapp's (2001), never below that of the weights alone, with Student's
    t of k - 1 degrees of freedom. Variances are drawn half-way to their mean: of a few seeds they are uncertain
    themselves, and those that are small by chance would weigh too much (7.7% false words instead of 3.1%).
    """
    from scipy.special import chdtrc

    values = np.array([one.value for one in estimates])
    variances = np.maximum([one.variance for one in estimates], 1e-12)
    variances = (variances + variances.mean()) / 2
    k = len(values)

    def squares(spread: float) -> tuple[float, float, float]:
        """Weighted squares, mean, sum of the weights."""
        weights = 1 / (variances + spread)
        mean = float(weights @ values / weights.sum())
        return float(weights @ (values - mean) ** 2), mean, float(weights.sum())

    low, high = 0.0, float(values.var(ddof=1)) * k + float(variances.max())
    if squares(0.0)[0] <= k - 1:
        high = 0.0
    for _ in range(100 if high else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if squares(middle)[0] > k - 1 else (low, middle)
    found, mean, weight = squares(high)
    variance = max(1.0, found / (k - 1)) / weight
    return Pooled(
        Estimate(mean, variance, k - 1, estimates[0].most), sqrt(high), float(chdtrc(k - 1, squares(0.0)[0]))
    )


def _at_look(found: Mapping[str, Decision], seeds: int, share: float, margin: float) -> _Look | None:
    """None where too few data sets have reached the look."""
    estimates = [look.estimate for one in found.values() for look in one.looks if look.seeds == seeds]
    if len(estimates) < MIN_DATASETS:
        return None
    estimate = pool(estimates).estimate
    same = max(estimate.below(-margin), estimate.above(margin))
    return _Look(seeds, estimate, estimate.p_zero() / share, same / share)


def _will_be_tested(studies: Iterable[Results], name: str) -> bool:
    """Whether the row can have runs of its own on as many data sets as a word needs."""
    can = [
        row.can_run and other.can_run and row.recipe_id != other.recipe_id
        for results in studies
        for row in results.rows
        if row.name == name and (other := results.against(row))
    ]
    return sum(can) >= MIN_DATASETS


def _looks(studies: Sequence[Results]) -> dict[int, float]:
    """Seeds of each look that all studies have planned -> its share; {0: 1} where one has none."""
    schemes = [{look.seeds: look.share for look in one.study.scheme or []} for one in studies]
    if not all(schemes):
        return {0: 1.0}
    common = set.intersection(*map(set, schemes))
    return {seeds: min(scheme[seeds] for scheme in schemes) for seeds in sorted(common)}


def _overall(
    first: Results,
    name: str,
    found: Mapping[str, Decision],
    taken: Sequence[_Look],
    p_holm: float,
    p_same: float,
) -> Overall:
    pooled = pool([one.estimate for one in found.values()]) if len(found) > 1 else None
    call: Call = "undecided"
    look = None
    if p_holm <= ALPHA:
        # The side is that of the look that decides: with all seeds the mean may be on the other one.
        look = min(taken, key=lambda one: one.p_differ)
        call = "better" if look.estimate.value > 0 else "worse"
    elif p_same <= ALPHA:
        look = min(taken, key=lambda one: one.p_same)
        call = "no difference"
    decided_at = (look.seeds or None) if look else None
    return Overall(name, first.study.row(name).against or "", found, pooled, p_holm, p_same, call, decided_at)


def _is_tested(decision: Decision) -> bool:
    return decision.comparison.is_tested and decision.comparison.is_of_recipes
