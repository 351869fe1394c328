"""Predictions and their metrics."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gptcore.data.rows import Rows, batches_by_length
from gptcore.engine.batches import positions_at_a_time, run_batches
from gptcore.engine.classifier import Classifier
from gptcore.result import Evaluation


@torch.no_grad()
def predict_logits(classifier: Classifier, rows: Rows, head: bool = True) -> Tensor:
    """Logits (N, n_classes) of every row, or without `head` what it would read (N, width), with dropout off.

    The classifier's mode is put back afterwards.
    """
    was_training = classifier.training
    classifier.eval()
    batches = batches_by_length(
        rows.lengths, max(1, rows.width), classifier.layout.drop_padding, positions_at_a_time(classifier)
    )
    run = classifier if head else classifier.features
    found: list[Tensor] = []
    order: list[Tensor] = []

    def predict(index: Tensor) -> None:
        found.append(run(rows.take(index)))
        order.append(index)

    run_batches(classifier, batches, predict)
    classifier.train(was_training)
    return torch.cat(found)[torch.argsort(torch.cat(order))]


def evaluate(classifier: Classifier, rows: Rows, labels: np.ndarray) -> Evaluation:
    """Predict every row with dropout off."""
    return evaluation_of_logits(predict_logits(classifier, rows), labels)


def evaluation_of_logits(logits: Tensor, labels: np.ndarray) -> Evaluation:
    """Logits (N, n_classes) and labels (N,) -> Evaluation."""
    return Evaluation(np.asarray(labels), softmax64(logits))


def softmax64(logits: Tensor) -> np.ndarray:
    """Probabilities (N, n_classes) float64; the softmax is taken in float64."""
    return np.asarray(logits.detach().double().softmax(dim=1).cpu().numpy())
