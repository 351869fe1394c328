"""Class heads: what turns the hidden state that is read into logits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcore.backbones.info import HeadActivation

HeadKind = Literal["linear", "mlp", "no_bias"]
ACTIVATIONS: dict[HeadActivation, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "relu": F.relu,
    "tanh": torch.tanh,
}


class MlpHead(nn.Module):
    """A hidden layer of the model's width and its activation, then the output layer. Without dropout.

    With the activation of its architecture it is the head of `transformers`' sequence classifier, such as DistilBERT's
    pre_classifier and classifier.
    """

    def __init__(self, width: int, n_classes: int, activation: HeadActivation) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.out = nn.Linear(width, n_classes)
        self._activate = ACTIVATIONS[activation]

    def forward(self, states: Tensor) -> Tensor:
        """(B, width) -> logits (B, n_classes)."""
        logits: Tensor = self.out(self._activate(self.dense(states)))
        return logits


def new_head(
    kind: HeadKind, width: int, n_classes: int, activation: HeadActivation, generator: torch.Generator
) -> nn.Linear | MlpHead:
    """A head whose layers start as nn.Linear does, from the generator. activation: of an MLP's hidden layer.

    Without bias, that of nn.Linear is 0 and does not learn.
    """
    head = MlpHead(width, n_classes, activation) if kind == "mlp" else nn.Linear(width, n_classes)
    for layer in (head,) if isinstance(head, nn.Linear) else (head.dense, head.out):
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
        bound = 1 / math.sqrt(width)
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    if kind == "no_bias":
        assert isinstance(head, nn.Linear)
        nn.init.zeros_(head.bias).requires_grad_(False)
    return head
