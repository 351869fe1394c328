"""The interval of a row's own accuracy, over the seeds and texts that could have been drawn."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from statistics import fmean

import numpy as np

from bench.evidence.answers import correct, examples
from bench.evidence.models import MIN_SEEDS
from bench.evidence.overdispersion import logit_estimate, moderate, scatter
from bench.evidence.paired import pair
from bench.evidence.stats import wilson
from bench.records.record import Record


def accuracy_interval(records: Sequence[Record], level: float = 0.95) -> tuple[float, float]:
    """Of the mean test accuracy of finished runs of one row: (low, high), 0 to 1.

    From three seeds on Student's t over seeds and texts, on the logit scale, so that the interval stays within 0
    and 1; the seeds scatter at least as far as their texts alone would make them. With one or two seeds, or
    without stored predictions, Wilson's over the texts of one seed, which holds for those trained models.
    """
    tests = [record.metrics.test for record in records if record.metrics]
    if len(tests) < MIN_SEEDS or any(record.test is None for record in records):
        return wilson(fmean(test.accuracy for test in tests), min(test.n for test in tests), level)
    right = [correct(record) for record in records]
    # A row against one that is always wrong: the difference is the row's own accuracy.
    alone = pair(right, [np.zeros_like(answers) for answers in right], examples(records))
    found = scatter(alone)
    share = 1 / found.slope  # p (1 - p)
    estimate = logit_estimate(alone, found, moderate([found])[0], share * alone.share_variance)
    half = estimate.half_width(level)
    p = (alone.ours * alone.n_answers + 0.5) / (alone.n_answers + 1)
    centre = log(p / (1 - p))
    low, high = (1 / (1 + exp(-(centre + side))) for side in (-half, half))
    return min(low, alone.ours), max(high, alone.ours)
