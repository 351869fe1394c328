"""What a fit leaves behind. Imports no torch, so that a progress display, a record or a report need not.

Records hold `Epoch`, `Agreement` and `PaddingCheck` as they are: their fields are part of the records' schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from gptcore.recipe import Recipe, Seeds
from gptcore.schema import Part

if TYPE_CHECKING:
    import numpy as np

    from gptcore.classifier import TextClassifier
    from gptcore.training.inputs import Inputs

# Wider than anything that can be measured: a figure beyond is a hand's, and no arithmetic on it overflows.
Seconds = Annotated[float, Field(ge=0, le=1e9)]
Count = Annotated[int, Field(ge=0, le=10**18)]
Loss = Annotated[float, Field(ge=-1e39, le=1e39)]  # of float32

CUT_SHARE = 0.01  # of the texts, from which on it is warned that they are cut


class Epoch(Part):
    """State at the end of an epoch."""

    epoch: int = Field(ge=1, le=10**12)
    step: int = Field(ge=1, le=10**12)
    train_accuracy: float = Field(
        ge=0, le=1, description="of the predictions made while training in this epoch"
    )
    validation_accuracy: float = Field(ge=0, le=1)
    validation_loss: Loss = Field(
        description="mean cross-entropy in nats, weighted as in training where classes have weights"
    )
    train_s: Seconds = Field(description="training seconds from the start to here, evaluation left out")


OnEpoch = Callable[[Epoch], None]


class Agreement(Part):
    """Largest relative disagreement with the plain engine on a sample, where the run was asked to verify."""

    n_rows: int
    n_steps: int
    logits: float
    losses: float


class PaddingCheck(Part):
    """The trained classifier on the test texts, padded in another way than it was trained with."""

    padding: Literal["right", "left", "none"]
    tokens_per_row: int | None = Field(description="length rows were padded to; null without padding")
    accuracy: float = Field(ge=0, le=1)
    n_flipped: int = Field(
        ge=0, description="test predictions that differ from those of the run's own padding"
    )


class ServingCost(Part):
    """What the trained classifier takes to ship and to ask, see `gptcore.training.serving_cost`."""

    saved_bytes: Count = Field(
        description="of what was learned, as `TextClassifier.save` writes it, without the tokenizer's files"
    )
    with_base_bytes: Count = Field(
        description="the same and the weights of its model that did not learn, as they are in memory"
    )
    latency_p50_s: Seconds = Field(description="median time of the answer to one text, asked alone")
    texts_per_s: float = Field(ge=0, le=1e12, description="of many texts in one call")
    merged_latency_p50_s: Seconds | None = Field(
        default=None, description="latency with the adapter folded into the model; null if there is none"
    )
    merged_texts_per_s: float | None = Field(default=None, ge=0, le=1e12)
    n_alone: int = Field(ge=1, description="texts that were asked alone")
    n_together: int = Field(ge=1, description="texts of the one call")


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


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions on one split. labels, predicted: (N,) int64; probabilities: (N, n_classes) float64."""

    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each example, the lower one in a tie."""
        import numpy as np

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
        return self.weighted_loss(None)

    def weighted_loss(self, weights: np.ndarray | None) -> float:
        """The same as a weighted mean. weights: (N,) above zero, None: all alike."""
        import numpy as np

        losses = self.losses
        return float(losses.mean() if weights is None else np.average(losses, weights=weights))

    @property
    def losses(self) -> np.ndarray:
        """(N,) cross-entropy of each in nats; a probability of 0 counts as the smallest positive float64."""
        import numpy as np

        chosen = self.probabilities[np.arange(len(self.labels)), self.labels]
        return np.asarray(-np.log(np.maximum(chosen, np.finfo(np.float64).tiny)))


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted classifier and everything measured on the way.

    losses: of each optimiser step; epochs, best_epoch: empty and None where no network was trained; phases: seconds by
    name, they add up to the total; n_total, n_trained: parameters; borrowed_s: seconds that an earlier run had spent on
    a trunk that this one found ready; positions_processed: token positions that went through at least one block;
    process_mem_bytes, added_mem_bytes: peak of the process, and its rise above the start of the fit; notes: what had to
    be done otherwise than asked; rewrites: see `gptcore.backbones.base.Backbone`.
    """

    recipe: Recipe
    seeds: Seeds
    train: Evaluation
    validation: Evaluation
    test: Evaluation
    classifier: TextClassifier
    n_total: int
    n_trained: int
    losses: list[float] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int | None = None
    phases: dict[str, float] = field(default_factory=dict)
    process_mem_bytes: int = 0
    added_mem_bytes: int = 0
    inputs: Inputs | None = None
    borrowed_s: float = 0.0
    positions_processed: int | None = None
    weights_source: str | None = None
    weights_fingerprint: str | None = None
    agreement: Agreement | None = None
    notes: Sequence[str] = ()
    rewrites: Mapping[str, str] = field(default_factory=dict)
