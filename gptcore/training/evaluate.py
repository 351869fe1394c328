"""Predictions and their metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gptcore.data.rows import Rows, batches_by_length
from gptcore.engine.classifier import Classifier


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions on one split. labels, predicted: (N,) int64; probabilities: (N, n_classes) float64."""

    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each example, the lower one in a tie."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def correct(self) -> int:
        """How many predictions are right."""
        return int((self.predicted == self.labels).sum())

    @property
    def accuracy(self) -> float:
        """Share of right predictions, 0 to 1."""
        return self.correct / len(self.labels)

    @property
    def log_loss(self) -> float:
        """Mean cross-entropy in nats; a probability of 0 counts as the smallest positive float64."""
        chosen = self.probabilities[np.arange(len(self.labels)), self.labels]
        return float(-np.log(np.maximum(chosen, np.finfo(np.float64).tiny)).mean())


@torch.no_grad()
def evaluate(classifier: Classifier, rows: Rows, labels: np.ndarray) -> Evaluation:
    """Predict every row with dropout off; the classifier's mode is put back afterwards."""
    was_training = classifier.training
    classifier.eval()
    batches = list(batches_by_length(rows.lengths, max(1, rows.width), classifier.layout.drop_padding))
    logits = torch.cat([classifier(rows.take(index)) for index in batches])
    classifier.train(was_training)
    return evaluation_of_logits(logits[torch.argsort(torch.cat(batches))], labels)


def evaluation_of_logits(logits: Tensor, labels: np.ndarray) -> Evaluation:
    """Logits (N, n_classes) and labels (N,) -> Evaluation; the softmax is taken in float64."""
    probabilities = logits.detach().double().softmax(dim=1).cpu().numpy()
    return Evaluation(np.asarray(labels), probabilities)
