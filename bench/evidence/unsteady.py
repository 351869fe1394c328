"""Rows whose seeds are wide or skewed: their mean over few seeds says less than a t test assumes.

Where some rows fail and others are steady, verdicts err more often than 5% (docs/error-rates.md). Such a study is known
by the share of its rows that are marked and scatter beyond the study's steady ones; that many rows scatter alike does
no harm.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, median, variance

import numpy as np

from bench.evidence.answers import groups
from bench.evidence.clusters import variance_of_mean
from bench.evidence.metric import ACCURACY, Metric
from bench.evidence.results import Results, RowResult

P_LUCK = 0.001  # chance that the test texts alone make the seeds of a row look so
P_STEADY = 0.01  # below this p-value a row scatters more than the steadiest quarter of the rows
MANY = 0.15  # of the compared rows: from three of 18 on, simulated studies have a false word in more than 5%


@dataclass(frozen=True)
class Unsteady:
    """The score of a row's lowest seed, and the median of all."""

    lowest: float
    median: float


def unsteady(result: RowResult, margin: float, metric: Metric = ACCURACY) -> Unsteady | None:
    """The lowest seed of a row whose seeds scatter, or fall below their median, by more than `margin`.

    And by more than their test texts explain: of accuracy an exact binomial test of the lowest seed, and the
    chi-squared test of the seeds' variance against the binomial one; of other metrics, and where texts have groups, a
    normal test with the variance of a score over texts or groups, and the same chi-squared test. None also where a
    record lacks what the metric needs.
    """
    if metric is not ACCURACY or groups(result.done) is not None:
        return _by_values(result, margin, metric)
    splits = [run.metrics.test for run in result.done if run.metrics]
    if len(splits) < 2:
        return None
    return of_counts([split.correct for split in splits], [split.n for split in splits], margin)


def of_counts(correct: Sequence[int], sizes: Sequence[int], margin: float) -> Unsteady | None:
    """The same of two seeds or more: their right answers, and their test texts, which splits may differ in."""
    from scipy.stats import binom

    shares = [count / n for count, n in zip(correct, sizes, strict=True)]
    middle, lowest = median(shares), min(shares)
    at = shares.index(lowest)
    p_lowest = len(shares) * float(binom.cdf(correct[at], sizes[at], middle))
    is_low = middle - lowest > margin and p_lowest < P_LUCK
    of_texts = fmean(max(middle * (1 - middle), 1 / n) / n for n in sizes)
    return Unsteady(lowest, middle) if is_low or _is_wide(shares, of_texts, margin) else None


def _is_wide(scores: Sequence[float], of_texts: float, margin: float) -> bool:
    from scipy.stats import chi2

    spread, dof = variance(scores), len(scores) - 1
    return spread > margin**2 and float(chi2.sf(dof * spread / of_texts, dof)) < P_LUCK


def _by_values(result: RowResult, margin: float, metric: Metric) -> Unsteady | None:
    answers = [found for run in result.done if (found := metric.answers_of(run))]
    if len(answers) < max(2, len(result.done)):
        return None
    by_group = groups(result.done) or len(answers) * [None]
    scores = [float(one.values.mean()) for one in answers]
    size = answers[0].size
    floor = 1 / (metric.scale.place(median(scores), size)[1] * size) if metric.unit == "points" else 0.0
    variances = [variance_of_mean(one.values, of) for one, of in zip(answers, by_group, strict=True)]
    return of_scores(scores, max(floor, fmean(variances)), margin)


def of_scores(scores: Sequence[float], of_texts: float, margin: float) -> Unsteady | None:
    """The same of two seeds or more with these scores, which test texts alone give a variance of `of_texts`."""
    from scipy.stats import norm

    middle, lowest = median(scores), min(scores)
    below = middle - lowest
    is_low = below > margin and len(scores) * float(norm.sf(below / sqrt(of_texts))) < P_LUCK
    return Unsteady(lowest, middle) if is_low or _is_wide(scores, of_texts, margin) else None


def unsteady_rows(results: Results) -> dict[str, Unsteady]:
    """Row name -> its lowest seed, for the rows whose seeds are wide or skewed, each recipe once."""
    found = {
        result.name: unsteady(result, results.margin, results.metric)
        for result in results.finished
        if results.first_with_recipe(result) is result
    }
    return {name: lowest for name, lowest in found.items() if lowest}


def are_many(results: Results, marked: Container[str]) -> bool:
    """Whether the study looks like those in which false words are likelier than 5%.

    Of its compared rows, each recipe once; a row with the recipe of its reference row is not compared. marked: names
    of the unsteady ones, see `unsteady_rows`.
    """
    compared = {
        first.name: [score for run in first.done if (score := results.metric.score(run)) is not None]
        for result in results.finished
        if (other := results.against(result)) and other.recipe_id != result.recipe_id
        for first in [results.first_with_recipe(result)]
    }
    of_seeds = {name: scores for name, scores in compared.items() if len(scores) > 1}
    return is_uneven(list(of_seeds.values()), [name in marked for name in of_seeds])


def is_uneven(scores: Sequence[Sequence[float]], is_marked: Sequence[bool]) -> bool:
    """Whether many rows are marked as unsteady and scatter beyond the steadiest quarter of the rows.

    scores: of the seeds of each row, two or more each. A variance over seeds that has as many degrees of freedom as
    the quarter's counts as larger where chi-squared gives it a chance of `P_STEADY` or less.
    """
    from scipy.stats import chi2

    if not any(is_marked):
        return False
    dof = np.array([len(row) - 1 for row in scores])
    squares = dof * np.array([variance(row) for row in scores])
    steady = float(np.quantile(squares / chi2.ppf(0.25, dof), 0.25))
    return float(np.mean(is_marked & (squares > steady * chi2.isf(P_STEADY, dof)))) >= MANY
