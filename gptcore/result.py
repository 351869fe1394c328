"""What is known at the end of an epoch. Imports no torch, so that a progress display need not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """State at the end of one epoch; train_s: seconds in the training phase since the first step."""

    epoch: int
    step: int
    train_accuracy: float
    validation_accuracy: float
    validation_loss: float
    train_s: float
