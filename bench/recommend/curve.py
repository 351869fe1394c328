"""Would more labels help? Accuracy over the number of training texts, and one doubling beyond them. Pure.

Errors of classifiers fall about as a power of the training texts (Hestness et al. 2017): for each seed a line is fitted
to the logarithms. What seeds scatter makes the interval; that the law goes on to hold is taken for granted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2
from statistics import fmean, variance
from typing import Literal

from bench.evidence.accuracy import accuracy_interval
from bench.evidence.models import MIN_SEEDS
from bench.evidence.student import Difference, Estimate
from bench.records.record import Record

FEWEST_TEXTS = 16
FEWEST_A_CLASS = 2
Word = Literal["would help", "would not help", "may help"]


@dataclass(frozen=True)
class Point:
    """Accuracy with so many training texts, mean over seeds, and its 95% interval."""

    n_texts: int
    accuracy: float
    low: float
    high: float
    n_seeds: int


@dataclass(frozen=True)
class Doubling:
    """What twice as many texts would give. gain: in accuracy, with its 95% interval."""

    n_texts: int
    accuracy: float
    gain: Difference

    def word(self, margin: float) -> Word:
        """Whether a gain is shown, or one of the margin is ruled out."""
        if self.gain.low > 0:
            return "would help"
        return "would not help" if self.gain.high < margin else "may help"


@dataclass(frozen=True)
class Curve:
    """Points from few texts to all; doubling: None with fewer than three points or MIN_SEEDS seeds."""

    points: tuple[Point, ...]
    doubling: Doubling | None


def curve_sizes(n_train: int, n_classes: int, parts: Sequence[int]) -> list[int]:
    """So many texts, few first, without sizes that are too small to train on."""
    least = max(FEWEST_TEXTS, FEWEST_A_CLASS * n_classes)
    return [size for size in sorted(round(n_train / each) for each in parts) if size >= least]


def make_curve(runs: Mapping[int, Sequence[Record]]) -> Curve:
    """runs: number of training texts -> finished runs of one recipe; the same seeds may be there for each."""
    sizes = sorted(n for n, records in runs.items() if records)
    points = []
    for n in sizes:
        low, high = accuracy_interval(runs[n])
        points.append(Point(n, fmean(map(_accuracy, runs[n])), low, high, len(runs[n])))
    return Curve(tuple(points), _doubling(runs, sizes))


def _doubling(runs: Mapping[int, Sequence[Record]], sizes: Sequence[int]) -> Doubling | None:
    if len(sizes) < 3:
        return None
    by_seed = [{record.seed_index: record for record in runs[n]} for n in sizes]
    seeds = sorted(set.intersection(*map(set, by_seed)))
    if len(seeds) < MIN_SEEDS:
        return None
    logs = [log2(n) for n in sizes]
    gains, twice = [], []
    for seed in seeds:
        errors = [_error(of_size[seed]) for of_size in by_seed]
        centre, level = fmean(logs), fmean(map(log2, errors))
        slope = sum((x - centre) * (log2(y) - level) for x, y in zip(logs, errors, strict=True)) / sum(
            (x - centre) ** 2 for x in logs
        )
        now = 2 ** (level + slope * (logs[-1] - centre))
        then = min(1.0, now * 2**slope)
        gains.append(now - then)
        twice.append(1 - then)
    # Seeds that agree to the last text do not make it certain.
    least = (1 / sum(record.metrics.test.n for record in runs[sizes[-1]] if record.metrics)) ** 2
    estimate = Estimate(fmean(gains), max(variance(gains) / len(gains), least), len(gains) - 1)
    return Doubling(2 * sizes[-1], fmean(twice), estimate.interval())


def _accuracy(record: Record) -> float:
    assert record.metrics is not None  # a finished run has them
    return record.metrics.test.accuracy


def _error(record: Record) -> float:
    """Share of wrong answers, which half an answer keeps above zero."""
    assert record.metrics is not None
    test = record.metrics.test
    return (test.n - test.correct + 0.5) / (test.n + 1)
