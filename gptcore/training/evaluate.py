"""Predictions and their metrics."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gptcore.data.rows import Rows, batches_by_length
from gptcore.engine.classifier import Classifier
from gptcore.result import Evaluation


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
