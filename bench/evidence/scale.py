"""The scales on which two rows' scores are compared: where a difference means the same at any height."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log
from typing import Protocol

_LEAST_LOSS = 1e-9  # nats; a loss below it counts as this


class Scale(Protocol):
    """A rising function of a score; higher scores are better. most: that two scores can lie apart."""

    @property
    def most(self) -> float: ...

    def place(self, score: float, n_answers: float, shift: float = 0.0) -> tuple[float, float]:
        """Where `score` + `shift` lies, and the slope there. n_answers: over which the score is a mean."""

    def score_at(self, place: float) -> float:
        """The score that lies there."""


@dataclass(frozen=True)
class Logit:
    """Of scores between 0 and 1, with half an answer added to both sides."""

    most: float = 1.0

    def place(self, score: float, n_answers: float, shift: float = 0.0) -> tuple[float, float]:
        """See `Scale`. A score of 0 or 1 lies half an answer inside."""
        half = 0.5 / (n_answers + 1)
        shrunk = score * n_answers / (n_answers + 1) + half
        x = min(max(shrunk + shift, half), 1 - half)
        return log(x / (1 - x)), 1 / (x * (1 - x))

    def score_at(self, place: float) -> float:
        """See `Scale`."""
        return 1 / (1 + _exp(-place))


@dataclass(frozen=True)
class LogOfLoss:
    """Of losses above 0, whose scores are their negatives: minus the logarithm of the loss."""

    most: float = inf

    def place(self, score: float, n_answers: float, shift: float = 0.0) -> tuple[float, float]:  # noqa: ARG002
        """See `Scale`."""
        loss = max(-(score + shift), _LEAST_LOSS)
        return -log(loss), 1 / loss

    def score_at(self, place: float) -> float:
        """See `Scale`."""
        return -_exp(-place)


def _exp(x: float) -> float:
    """Infinite where it is more than a float holds: the interval then reaches the scale's bound."""
    try:
        return exp(x)
    except OverflowError:
        return inf


LOGIT = Logit()
LOG_OF_LOSS = LogOfLoss()
