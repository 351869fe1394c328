"""From texts to class probabilities, one way for each trainer; and what of it is worth keeping in a file.

A predictor gives its learned numbers as tensors and the rest as plain JSON values, and is built again from both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gptcore.data.rows import Rows
from gptcore.data.tokenizer import Tokenizer
from gptcore.engine.classifier import Classifier
from gptcore.errors import UserError
from gptcore.training.evaluate import predict_logits, softmax64
from gptcore.training.inputs import rows_of_sequences
from gptcore.training.logistic import LogisticFit
from gptcore.training.small_mlp import MlpFit

AT_A_TIME = 1024  # texts that are rows of tokens at once


class Predictor(Protocol):
    """What a trainer has fitted."""

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """(N, n_classes) float64, each row sums to 1; N may be 0."""

    def learned(self) -> dict[str, Tensor]:
        """What was learned, by name, on the CPU."""

    def details(self) -> dict[str, Any]:
        """What else it takes to build it again, as JSON values."""


@dataclass(frozen=True, eq=False)
class NetworkPredictor:
    """A trained network. tokens_per_row: what texts are cut and padded to; without padding, what they are cut to."""

    network: Classifier
    tokenizer: Tokenizer
    tokens_per_row: int

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """See `Predictor`. Raises UserError for a text that is too much for the tokenizer."""
        parts = [self.of_sequences(sequences) for sequences in _tokenised(self.tokenizer, texts)]
        return np.concatenate([np.empty((0, self.network.n_classes)), *parts])

    def of_sequences(self, sequences: Sequence[Sequence[int]]) -> np.ndarray:
        """(N, n_classes) of N texts as tokens, at least one; each is cut to its first `tokens_per_row`."""
        return softmax64(predict_logits(self.network, _rows(self, sequences)))

    def learned(self) -> dict[str, Tensor]:
        """The parameters that learn."""
        named = self.network.named_parameters()
        return {name: p.detach().cpu().contiguous() for name, p in named if p.requires_grad}

    def details(self) -> dict[str, Any]:
        """Nothing but the rows' length."""
        return {"tokens_per_row": self.tokens_per_row}

    @classmethod
    def restore(
        cls,
        network: Classifier,
        tokenizer: Tokenizer,
        learned: Mapping[str, Tensor],
        details: Mapping[str, Any],
    ) -> NetworkPredictor:
        """Put what was learned into a network before its first step. Raises UserError where it does not fit."""
        expected = {name: p for name, p in network.named_parameters() if p.requires_grad}
        if odd := sorted(expected.keys() ^ learned.keys()):
            raise UserError(f"the file and the model do not have the same parameters: {odd[0]}")
        with torch.no_grad():
            for name, parameter in expected.items():
                if parameter.shape != learned[name].shape:
                    shapes = f"{tuple(learned[name].shape)}, expected {tuple(parameter.shape)}"
                    raise UserError(f"{name} is {shapes}")
                parameter.copy_(learned[name])
        return cls(network.eval(), tokenizer, int(details["tokens_per_row"]))


@dataclass(frozen=True, eq=False)
class FeaturesPredictor:
    """What was fitted on what the head of a frozen network would read. tokens_per_row: see NetworkPredictor."""

    network: Classifier
    tokenizer: Tokenizer
    fitted: LogisticFit | MlpFit
    tokens_per_row: int

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """See `Predictor`. Raises UserError for a text that is too much for the tokenizer."""
        parts = [self.of_sequences(sequences) for sequences in _tokenised(self.tokenizer, texts)]
        return np.concatenate([self.fitted.no_probabilities, *parts])

    def of_sequences(self, sequences: Sequence[Sequence[int]]) -> np.ndarray:
        """(N, n_classes) of N texts as tokens, at least one; each is cut to its first `tokens_per_row`."""
        return self.fitted.probabilities(self._features(sequences))

    def refit(self, texts: Sequence[str], labels: np.ndarray) -> FeaturesPredictor:
        """The same settings, fitted anew. labels: (N,) int64."""
        features = [self._features(sequences) for sequences in _tokenised(self.tokenizer, texts)]
        return replace(self, fitted=self.fitted.refit(np.concatenate(features), labels))

    def _features(self, sequences: Sequence[Sequence[int]]) -> np.ndarray:
        """(N, width)."""
        return predict_logits(self.network, _rows(self, sequences), head=False).cpu().numpy()

    def learned(self) -> dict[str, Tensor]:
        """Of the scaler and what was fitted."""
        return self.fitted.learned()

    def details(self) -> dict[str, Any]:
        """The rows' length, and those of what was fitted."""
        return {"tokens_per_row": self.tokens_per_row, **self.fitted.details()}

    @classmethod
    def restore(
        cls,
        network: Classifier,
        tokenizer: Tokenizer,
        learned: Mapping[str, Tensor],
        details: Mapping[str, Any],
    ) -> FeaturesPredictor:
        """Build it again, on a network before its first step."""
        kind = MlpFit if "mlp" in details else LogisticFit
        return cls(network.eval(), tokenizer, kind.restore(learned, details), int(details["tokens_per_row"]))


@dataclass(frozen=True, eq=False)
class TfidfPredictor:
    """A logistic regression on TF-IDF."""

    logistic: LogisticFit

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """See `Predictor`."""
        return self.logistic.probabilities(texts) if texts else self.logistic.no_probabilities

    def refit(self, texts: Sequence[str], labels: np.ndarray) -> TfidfPredictor:
        """The same settings, fitted anew. labels: (N,) int64."""
        return TfidfPredictor(self.logistic.refit(texts, labels))

    def learned(self) -> dict[str, Tensor]:
        """Of the vectoriser and the regression."""
        return self.logistic.learned()

    def details(self) -> dict[str, Any]:
        """Terms and settings."""
        return self.logistic.details()


def _tokenised(tokenizer: Tokenizer, texts: Sequence[str]) -> Iterator[list[list[int]]]:
    """The texts as tokens, so many at a time."""
    for begin in range(0, len(texts), AT_A_TIME):
        yield tokenizer.encode_batch(texts[begin : begin + AT_A_TIME])


def _rows(predictor: NetworkPredictor | FeaturesPredictor, sequences: Sequence[Sequence[int]]) -> Rows:
    network = predictor.network
    rows = rows_of_sequences(sequences, predictor.tokens_per_row, network.layout, predictor.tokenizer)
    return rows.to(network.device)
