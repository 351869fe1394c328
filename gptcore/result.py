"""What is known at the end of an epoch. Imports no torch, so that a progress display need not."""

from __future__ import annotations

from dataclasses import dataclass

CUT_SHARE = 0.01  # of the texts, from which on it is warned that they are cut


@dataclass(frozen=True)
class Epoch:
    """State at the end of one epoch; train_s: seconds in the training phase since the first step."""

    epoch: int
    step: int
    train_accuracy: float
    validation_accuracy: float
    validation_loss: float
    train_s: float


@dataclass(frozen=True)
class CutTexts:
    """How many texts of the three splits are longer than the `tokens` that a model reads of each."""

    n_cut: int
    n_texts: int
    tokens: int

    @property
    def share(self) -> float:
        """Of all texts, 0 to 1."""
        return self.n_cut / self.n_texts

    @property
    def matters(self) -> bool:
        """Whether it is worth a warning: `context = longest` cuts single texts of the other splits."""
        return self.share >= CUT_SHARE

    def __str__(self) -> str:
        share = f"{self.share:.0%}" if self.share >= 0.1 else f"{100 * self.share:.2g}%"
        return f"{self.n_cut:,} of {self.n_texts:,} texts ({share}) are longer than {self.tokens:,} tokens"
