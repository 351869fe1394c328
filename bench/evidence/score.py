"""The interval of a row's own score, over the seeds and texts that could have been drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.evidence.answers import examples, groups
from bench.evidence.metric import Metric
from bench.evidence.models import MIN_SEEDS
from bench.evidence.overdispersion import logit_estimate, moderate, scatter, text_estimate
from bench.evidence.paired import pair
from bench.records.record import Record


def score_interval(
    records: Sequence[Record], metric: Metric, level: float = 0.95
) -> tuple[float, float] | None:
    """Of the mean test score of finished runs of one row: (low, high); None where a record lacks what it needs.

    From three seeds on Student's t over seeds and texts, on the metric's scale, so that the interval stays within its
    bounds; the seeds scatter at least as far as their texts alone would make them. With one or two seeds over the
    texts alone, which holds for those trained models.
    """
    found = [metric.answers_of(record) for record in records]
    known = [one for one in found if one is not None]
    if len(known) < len(found):
        return None
    # A row against one that is always wrong: the difference is the row's own score.
    values = [one.values for one in known]
    nothing = [np.zeros_like(one) for one in values]
    sizes = [one.size for one in known]
    alone = pair(values, nothing, examples(records), sizes, metric.scale, groups(records))
    spread = scatter(alone)
    # p (1 - p) / n on the logit scale; losses have no such bound.
    least = alone.share_variance / spread.slope if metric.unit == "points" else 0.0
    estimate = (
        text_estimate(alone)
        if len(known) < MIN_SEEDS
        else logit_estimate(alone, spread, moderate([spread])[0], least)
    )
    half, centre = estimate.half_width(level), metric.scale.place(alone.ours, alone.n_answers)[0]
    low, high = (metric.scale.score_at(centre + side) for side in (-half, half))
    return min(low, alone.ours), max(high, alone.ours)
