"""Rows whose seeds are wide or skewed: their mean over few seeds says less than a t test assumes."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import fmean, median, variance

from bench.evidence.answers import groups
from bench.evidence.clusters import variance_of_mean
from bench.evidence.metric import ACCURACY, Metric
from bench.evidence.results import Results, RowResult

P_LUCK = 0.001  # chance that the test texts alone make the seeds of a row look so
MANY = 1 / 3  # of the rows: in such studies a false word is likelier than 5% (docs/error-rates.md)


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
    from scipy.stats import binom, chi2

    if metric is not ACCURACY or groups(result.done) is not None:
        return _by_values(result, margin, metric)
    splits = [run.metrics.test for run in result.done if run.metrics]
    if len(splits) < 2:
        return None
    shares = [split.accuracy for split in splits]
    middle, spread = median(shares), variance(shares)
    lowest = min(splits, key=lambda split: split.accuracy)
    p_lowest = len(splits) * float(binom.cdf(lowest.correct, lowest.n, middle))
    is_low = middle - lowest.accuracy > margin and p_lowest < P_LUCK
    of_texts = max(middle * (1 - middle), 1 / lowest.n) / lowest.n
    dof = len(splits) - 1
    is_wide = spread > margin**2 and float(chi2.sf(dof * spread / of_texts, dof)) < P_LUCK
    return Unsteady(lowest.accuracy, middle) if is_low or is_wide else None


def _by_values(result: RowResult, margin: float, metric: Metric) -> Unsteady | None:
    from scipy.stats import chi2, norm

    answers = [found for run in result.done if (found := metric.answers_of(run))]
    if len(answers) < max(2, len(result.done)):
        return None
    by_group = groups(result.done) or len(answers) * [None]
    scores = [float(one.values.mean()) for one in answers]
    middle, spread, lowest = median(scores), variance(scores), min(scores)
    size = answers[0].size
    floor = 1 / (metric.scale.place(middle, size)[1] * size) if metric.unit == "points" else 0.0
    variances = [variance_of_mean(one.values, of) for one, of in zip(answers, by_group, strict=True)]
    of_texts = max(floor, fmean(variances))
    below = middle - lowest
    is_low = below > margin and len(scores) * float(norm.sf(below / sqrt(of_texts))) < P_LUCK
    dof = len(scores) - 1
    is_wide = spread > margin**2 and float(chi2.sf(dof * spread / of_texts, dof)) < P_LUCK
    return Unsteady(lowest, middle) if is_low or is_wide else None


def unsteady_rows(results: Results) -> dict[str, Unsteady]:
    """Row name -> its lowest seed, for the rows whose seeds are wide or skewed, each recipe once."""
    found = {
        result.name: unsteady(result, results.margin, results.metric)
        for result in results.finished
        if results.first_with_recipe(result) is result
    }
    return {name: lowest for name, lowest in found.items() if lowest}


def are_many(results: Results) -> bool:
    """Whether so many rows are unsteady that false words become likelier."""
    return bool(results.finished) and len(unsteady_rows(results)) >= MANY * len(results.finished)
