"""Which rows of the matrix are worth their time on the data at hand. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.evidence.metric import Metric
from bench.records.study import Row
from gptcore.recipe import Recipe

SMALL = 0.5  # of its even share: a class with fewer texts is small


def offered(rows: Iterable[Row], counts: Sequence[int], metric: Metric) -> tuple[Row, ...]:
    """The rows without those that weigh classes for nothing. counts: texts of each class."""
    return tuple(row for row in rows if is_offered(row.recipe, counts, metric))


def is_offered(recipe: Recipe, counts: Sequence[int], metric: Metric) -> bool:
    """Weights change something where a class is small, and can help where the metric weighs classes alike."""
    return recipe.class_weight is None or (metric.weighs_classes and has_small_class(counts))


def has_small_class(counts: Sequence[int]) -> bool:
    """Whether a class has fewer texts than half of its even share. counts: texts of each class."""
    return min(counts) < SMALL * sum(counts) / len(counts)


def about_weights(counts: Sequence[int], metric: Metric) -> tuple[str, ...]:
    """What another metric would do, where classes are of very different size."""
    if metric.weighs_classes or not has_small_class(counts):
        return ()
    return (
        f"the smallest class has {min(counts):,} of {sum(counts):,} development rows: where it matters as much as the "
        "others, --metric macro-f1 decides by it, and tries rows that weigh classes too",
    )
