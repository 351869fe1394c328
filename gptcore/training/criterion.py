"""By what the best of several epochs is known. Imports no torch."""

from __future__ import annotations

import numpy as np

from gptcore.recipe import BestBy
from gptcore.result import Evaluation

IN_WORDS: dict[BestBy, str] = {
    "loss": "the lowest validation loss",
    "log-loss": "the lowest log-loss on the validation part",
    "accuracy": "the highest accuracy on the validation part",
    "macro-f1": "the highest macro-F1 on the validation part",
    "balanced-accuracy": "the highest balanced accuracy on the validation part",
}


def score(by: BestBy, seen: Evaluation, loss: float) -> float:
    """Of an epoch by its validation texts, the higher the better. loss: weighted as in training."""
    if by == "loss":
        return -loss
    if by == "log-loss":
        return -seen.log_loss
    if by == "accuracy":
        return seen.accuracy
    from sklearn.metrics import f1_score, recall_score

    if by == "macro-f1":
        return float(f1_score(seen.labels, seen.predicted, average="macro", zero_division=0.0))
    # The mean over the classes that there are of the share that is found.
    there = np.unique(seen.labels)
    return float(recall_score(seen.labels, seen.predicted, labels=there, average="macro", zero_division=0.0))
