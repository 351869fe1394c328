"""From texts to class probabilities; and what of it is worth keeping in a file. Imports no torch.

A predictor gives its learned numbers as arrays and the rest as plain JSON values, and is built again from both. Those
with a network are in `network_predictors`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from gptcore.data.tokenizer import Tokenizer
from gptcore.training.logistic import LogisticFit

AT_A_TIME = 1024  # texts that are rows of tokens at once


class Predictor(Protocol):
    """What a trainer has fitted."""

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """(N, n_classes) float64, each row sums to 1; N may be 0."""

    def learned(self) -> dict[str, np.ndarray]:
        """What was learned, by name."""

    def details(self) -> dict[str, Any]:
        """What else it takes to build it again, as JSON values."""


@runtime_checkable
class Refittable(Predictor, Protocol):
    """What is fitted in one go, on settings that a first fit has chosen."""

    def refit(self, texts: Sequence[str], labels: np.ndarray) -> Predictor:
        """The same settings, fitted anew. labels: (N,) int64."""


@dataclass(frozen=True, eq=False)
class TokenPredictor(ABC):
    """What reads texts as tokens. tokens_per_row: what a text is cut and padded to; without padding, cut to."""

    tokenizer: Tokenizer
    tokens_per_row: int

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """See `Predictor`. Raises UserError for a text that is too much for the tokenizer."""
        parts = [self.of_sequences(sequences) for sequences in self.tokenised(texts)]
        return np.concatenate([np.empty((0, self.n_classes)), *parts])

    def tokenised(self, texts: Sequence[str]) -> Iterator[list[list[int]]]:
        """The texts as tokens, so many at a time."""
        for begin in range(0, len(texts), AT_A_TIME):
            yield self.tokenizer.encode_batch(texts[begin : begin + AT_A_TIME])

    @property
    @abstractmethod
    def n_classes(self) -> int:
        """Columns of `probabilities`."""

    @abstractmethod
    def of_sequences(self, sequences: Sequence[Sequence[int]]) -> np.ndarray:
        """(N, n_classes) of N texts as tokens, at least one; each is cut to its first `tokens_per_row`."""

    @abstractmethod
    def learned(self) -> dict[str, np.ndarray]:
        """See `Predictor`."""

    @abstractmethod
    def details(self) -> dict[str, Any]:
        """See `Predictor`."""


@dataclass(frozen=True, eq=False)
class TfidfPredictor:
    """A logistic regression on TF-IDF."""

    logistic: LogisticFit

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """See `Predictor`."""
        return self.logistic.probabilities(texts) if texts else np.empty((0, self.logistic.n_classes))

    def refit(self, texts: Sequence[str], labels: np.ndarray) -> TfidfPredictor:
        """See `Refittable`."""
        return TfidfPredictor(self.logistic.refit(texts, labels))

    def learned(self) -> dict[str, np.ndarray]:
        """Of the vectoriser and the regression."""
        return self.logistic.learned()

    def details(self) -> dict[str, Any]:
        """Terms and settings."""
        return self.logistic.details()
