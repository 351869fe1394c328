"""What a model looks at: which positions its head reads, and what the text's hidden states were computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gptcore.padding.model import Probed
from gptcore.padding.report import Side


@dataclass(frozen=True)
class Padding:
    """A text's tokens, and how they are padded."""

    row: Sequence[int]
    side: Side
    width: int

    @property
    def offset(self) -> int:
        """The column of the first token."""
        return self.width - len(self.row) if self.side == "left" else 0

    @property
    def columns(self) -> range:
        """Those of the text."""
        return range(self.offset, self.offset + len(self.row))

    def without(self) -> Padding:
        """The text alone."""
        return replace(self, width=len(self.row))


class Look(NamedTuple):
    """inside: (n_tokens, width) last hidden states of the text; read: columns that the head reads; leak: whether the
    text's hidden states depend on the embeddings of padding.
    """

    inside: Tensor
    read: frozenset[int]
    leak: bool


def look(model: Probed, padding: Padding, **more: Any) -> Look | None:
    """None where the model does not give the hidden states that its head reads. more: arguments of the model."""
    embedded: list[Tensor] = []

    def keep(_module: object, _inputs: object, output: Tensor) -> Tensor:
        embedded.append(output.detach().requires_grad_())
        return embedded[-1]

    handle = model.model.get_input_embeddings().register_forward_hook(keep)
    try:
        found = model.run([padding.row], padding.side, padding.width, output_hidden_states=True, **more)
    finally:
        handle.remove()
    states = found.get("hidden_states")
    if not states or states[-1].shape[1] != padding.width or len(embedded) != 1:
        return None
    hidden, columns = states[-1], list(padding.columns)
    # Squares too: the plain sum of a norm's outputs does not depend on its inputs.
    of_head = _gradient(found.logits.square().sum() + found.logits.sum(), hidden)
    of_text = _gradient(hidden[:, columns].square().sum() + hidden[:, columns].sum(), embedded[0])
    if of_head is None or of_text is None:
        return None
    outside = [column for column in range(padding.width) if column not in padding.columns]
    read = frozenset(int(at) for at in of_head[0].abs().sum(dim=1).nonzero())
    return Look(hidden[0, columns].detach(), read, bool(of_text[0, outside].abs().sum() > 0))


def _gradient(of: Tensor, by: Tensor) -> Tensor | None:
    return torch.autograd.grad(of, by, retain_graph=True, allow_unused=True)[0]
