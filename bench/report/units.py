"""How the scores of a metric and their differences are written: points and percent, or nats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bench.evidence.metric import ACCURACY, Metric
from bench.evidence.student import Difference
from bench.report.text import MISSING, margin_text, percent, points


@dataclass(frozen=True)
class Unit:
    """The words and figures of one metric.

    name: of differences; signed: a difference with its sign; margin: a size with its unit; bare, score: a row's score
    without and with its unit; factor: from a difference to what a plot's axis shows.
    """

    metric: Metric
    name: Literal["points", "nats"]
    signed: Callable[[float], str]
    margin: Callable[[float], str]
    bare: Callable[[float | None], str]
    score: Callable[[float | None], str]
    factor: float

    def between(self, found: Difference) -> str:
        """A difference with its interval: +1.33 (−0.40 to +3.10)."""
        return f"{self.signed(found.mean)} ({self.interval(found)})"

    def interval(self, found: Difference) -> str:
        """−0.40 to +3.10."""
        return f"{self.signed(found.low)} to {self.signed(found.high)}"

    def score_interval(self, bounds: tuple[float, float] | None) -> str:
        """Of a row's own score, the lower figure first: 91.9 to 97.0."""
        if bounds is None:
            return MISSING
        digits = 1 if self.name == "points" else 3
        figures = sorted(100 * x if self.name == "points" else -x for x in bounds)
        return f"{figures[0]:.{digits}f} to {figures[1]:.{digits}f}"

    def short(self, score: float | None) -> str:
        """A row's score with as many digits as a screen needs: 95.0%, 0.132 nats."""
        return f"{percent(score, 1)}%" if self.name == "points" else self.score(score)

    @property
    def heading(self) -> str:
        """The metric at the beginning of a line."""
        return self.metric.title[0].upper() + self.metric.title[1:]

    @property
    def by(self) -> str:
        """Behind a heading: empty of accuracy, else " by macro-F1"."""
        return "" if self.metric is ACCURACY else f" by {self.metric.title}"

    @property
    def difference(self) -> str:
        """A difference in words; one above zero is an improvement."""
        if self.name == "nats":
            return f"Decrease of test {self.metric.title}"
        return f"Difference in test {self.metric.title}"

    @property
    def difference_column(self) -> str:
        """The head of a table's column."""
        return "Difference, points" if self.metric is ACCURACY else f"{self.difference}, {self.name}"

    @property
    def own_column(self) -> str:
        """The head of a column of scores, where it is said elsewhere on which texts."""
        return f"{self.heading}, {'%' if self.name == 'points' else self.name}"

    @property
    def score_column(self) -> str:
        """The head of a column of scores."""
        return f"Test {self.metric.title}, {'%' if self.name == 'points' else self.name}"

    @property
    def best(self) -> str:
        """A row with the best score, as an attribute: most accurate."""
        return "most accurate" if self.metric is ACCURACY else f"best by {self.metric.title}"

    @property
    def was_better(self) -> str:
        """What a row with a better score did."""
        return "was more accurate" if self.metric is ACCURACY else f"had a better {self.metric.title}"

    @property
    def is_better(self) -> str:
        """What better and worse say of a recipe."""
        if self.metric is ACCURACY:
            return "is more or less accurate"
        return f"has a {'lower or higher' if self.name == 'nats' else 'higher or lower'} {self.metric.title}"

    def best_of(self, noun: str) -> str:
        """The one with the best score: most accurate row."""
        return (
            f"most accurate {noun}"
            if self.metric is ACCURACY
            else f"{noun} with the best {self.metric.title}"
        )

    @property
    def lowest(self) -> str:
        """The seed with the worst score."""
        return "worst" if self.name == "nats" else "lowest"

    @property
    def constant(self) -> str:
        """What is answered without looking at the text."""
        return "the share of each class" if self.name == "nats" else "the largest class"


def unit_of(metric: Metric) -> Unit:
    """How this metric is written."""
    if metric.unit == "nats":
        return Unit(metric, "nats", _nats, _nats_margin, _loss, _loss_with_unit, 1.0)
    return Unit(metric, "points", points, margin_text, percent, _percent_sign, 100.0)


def _nats(difference: float) -> str:
    text = f"{difference:+.3f}".replace("-", "−")
    return "0.000" if text in ("+0.000", "−0.000") else text


def _nats_margin(size: float) -> str:
    return f"{size:g} nats"


def _loss(score: float | None) -> str:
    return MISSING if score is None else f"{-score:.3f}"


def _loss_with_unit(score: float | None) -> str:
    return f"{_loss(score)} nats"


def _percent_sign(score: float | None) -> str:
    return f"{percent(score)}%"
