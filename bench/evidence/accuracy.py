"""The interval of a row's own accuracy, also of the few seeds or predictions that no variance is known of."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from bench.evidence.metric import ACCURACY
from bench.evidence.models import MIN_SEEDS
from bench.evidence.score import score_interval
from bench.evidence.stats import wilson
from bench.records.record import Record


def accuracy_interval(records: Sequence[Record], level: float = 0.95) -> tuple[float, float]:
    """Of the mean test accuracy of finished runs of one row: (low, high), 0 to 1.

    From three seeds on that of any score. With one or two seeds, or without stored predictions, Wilson's over the texts
    of one seed, which holds for those trained models.
    """
    tests = [record.metrics.test for record in records if record.metrics]
    found = score_interval(records, ACCURACY, level) if len(tests) >= MIN_SEEDS else None
    if found is None:
        return wilson(fmean(test.accuracy for test in tests), min(test.n for test in tests), level)
    return found
