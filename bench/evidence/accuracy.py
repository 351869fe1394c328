"""The interval of a row's own score: of its accuracy also where no variance is known, of few seeds or predictions."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from bench.evidence.answers import groups
from bench.evidence.metric import ACCURACY, Metric
from bench.evidence.models import MIN_SEEDS
from bench.evidence.score import score_interval
from bench.evidence.stats import wilson
from bench.records.record import Record


def accuracy_interval(records: Sequence[Record], level: float = 0.95) -> tuple[float, float]:
    """Of the mean test accuracy of finished runs of one row: (low, high), 0 to 1.

    From three seeds on, or where texts have groups, that of any score. With one or two seeds, or without stored
    predictions, Wilson's over the texts of one seed, which holds for those trained models.
    """
    tests = [record.metrics.test for record in records if record.metrics]
    is_of_any = len(tests) >= MIN_SEEDS or groups(records) is not None
    found = score_interval(records, ACCURACY, level) if is_of_any else None
    if found is None:
        return wilson(fmean(test.accuracy for test in tests), min(test.n for test in tests), level)
    return found


def interval_of(records: Sequence[Record], metric: Metric) -> tuple[float, float] | None:
    """95% interval of the mean test score of finished runs of one row; None where a record lacks what it needs."""
    return accuracy_interval(records) if metric is ACCURACY else score_interval(records, metric)
