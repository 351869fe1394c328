"""Would more labels help? The score over the number of training texts, and one doubling beyond them. Pure.

Errors of classifiers, and their losses, fall about as a power of the training texts (Hestness et al. 2017): for each
seed a line is fitted to the logarithms. What seeds scatter makes the interval; that the law goes on to hold is taken
for granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from statistics import fmean, variance
from typing import Literal

from bench.evidence.accuracy import interval_of
from bench.evidence.metric import ACCURACY, Answers, Metric
from bench.evidence.models import MIN_SEEDS
from bench.evidence.student import Difference, Estimate
from bench.recommend.plan import CURVE_PARTS, CURVE_SEEDS
from bench.records.record import Record
from gptcore.recipe import Recipe

FEWEST_TEXTS = 16
FEWEST_A_CLASS = 2
LEAST_LOSS = 1e-9  # nats
Word = Literal["would help", "would not help", "may help"]


@dataclass(frozen=True)
class Point:
    """The score with so many training texts, mean over seeds, and its 95% interval."""

    n_texts: int
    score: float
    low: float
    high: float
    n_seeds: int


@dataclass(frozen=True)
class Doubling:
    """What twice as many texts would give. gain: in the score, with its 95% interval."""

    n_texts: int
    score: float
    gain: Difference

    @property
    def now(self) -> float:
        """The score with all texts, as the curve has it."""
        return self.score - self.gain.mean

    def interval(self, metric: Metric) -> tuple[float, float]:
        """The score's 95% interval, within what is possible."""
        least, most = metric.bounds
        return max(least, self.now + self.gain.low), min(most, self.now + self.gain.high)

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


def of_size(recipe: Recipe, n_texts: int) -> Recipe:
    """The recipe on so many training texts."""
    return recipe.model_copy(update={"train_size": n_texts})


def curve_of(
    recipe: Recipe, records: Iterable[Record], n_train: int, n_classes: int, metric: Metric = ACCURACY
) -> Curve:
    """The learning curve of a recipe, as far as it has run. n_train: all training texts."""
    ids = {n: of_size(recipe, n).id for n in curve_sizes(n_train, n_classes, CURVE_PARTS)}
    ids[n_train] = recipe.id
    done = [r for r in records if r.status == "done" and r.seed_index < CURVE_SEEDS]
    return make_curve({n: [r for r in done if r.recipe_id == each] for n, each in ids.items()}, metric)


def make_curve(runs: Mapping[int, Sequence[Record]], metric: Metric = ACCURACY) -> Curve:
    """runs: number of training texts -> finished runs of one recipe; the same seeds may be there for each.

    Runs whose records lack what the metric needs are left out.
    """
    found = {
        n: {
            record.seed_index: (record, answers)
            for record in records
            if (answers := metric.answers_of(record)) is not None
        }
        for n, records in sorted(runs.items())
    }
    points = []
    for n, by_seed in found.items():
        bounds = interval_of([record for record, _ in by_seed.values()], metric) if by_seed else None
        if bounds is not None:
            score = fmean(float(answers.values.mean()) for _, answers in by_seed.values())
            points.append(Point(n, score, *bounds, len(by_seed)))
    answers_of = {p.n_texts: {seed: a for seed, (_, a) in found[p.n_texts].items()} for p in points}
    return Curve(tuple(points), _doubling(answers_of, metric))


def _doubling(answers_of: Mapping[int, Mapping[int, Answers]], metric: Metric) -> Doubling | None:
    """answers_of: number of texts, few first -> seed -> its answers."""
    sizes = list(answers_of)
    if len(sizes) < 3:
        return None
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in answers_of.values())))
    if len(seeds) < MIN_SEEDS:
        return None
    logs = [log2(n) for n in sizes]
    best = metric.bounds[1]
    gains, twice = [], []
    for seed in seeds:
        errors = [_error(of_size[seed], metric) for of_size in answers_of.values()]
        centre, level = fmean(logs), fmean(map(log2, errors))
        slope = sum((x - centre) * (log2(y) - level) for x, y in zip(logs, errors, strict=True)) / sum(
            (x - centre) ** 2 for x in logs
        )
        now = 2 ** (level + slope * (logs[-1] - centre))
        then = min(best - metric.bounds[0], now * 2**slope)
        gains.append(now - then)
        twice.append(best - then)
    # Seeds that agree to the last text do not make it certain.
    least = (1 / sum(answers.size for answers in answers_of[sizes[-1]].values())) ** 2
    estimate = Estimate(fmean(gains), max(variance(gains) / len(gains), least), len(gains) - 1)
    return Doubling(2 * sizes[-1], fmean(twice), estimate.interval())


def _error(answers: Answers, metric: Metric) -> float:
    """How far from the best score; a share of wrong answers is kept above zero by half an answer."""
    error = metric.bounds[1] - float(answers.values.mean())
    if metric.unit == "nats":
        return max(error, LEAST_LOSS)
    return (answers.size * error + 0.5) / (answers.size + 1)
