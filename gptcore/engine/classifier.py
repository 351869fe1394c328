"""A GPT whose output layer is replaced by one class head that reads a chosen position."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gptcore.backbones.gpt import GPT, Attend, gather_positions
from gptcore.backbones.packing import Packing
from gptcore.data.rows import TokenRows
from gptcore.engine.layout import Precision, View
from gptcore.engine.trunk import FeatureRows, Rows, StateRows


class Classifier(nn.Module):
    """Backbone, position (or pooling) and head.

    Takes the GPT over: its language-model output layer, where it has one of its own, is dropped, so that there
    is exactly one head. The head starts as nn.Linear does, from its own generator.
    """

    def __init__(
        self,
        gpt: GPT,
        n_classes: int,
        view: View,
        generator: torch.Generator,
        precision: Precision = "float32",
    ) -> None:
        super().__init__()
        gpt.lm_head = None
        gpt.config = gpt.config.model_copy(
            update={"tie_output": True}
        )  # there is no output of its own to save
        self.gpt = gpt
        self.view = view
        self.precision = precision
        self.positions_processed = 0  # that went through at least one block, hidden padding not counted
        self.head = nn.Linear(gpt.config.d_model, n_classes)
        nn.init.kaiming_uniform_(self.head.weight, a=math.sqrt(5), generator=generator)
        bound = 1 / math.sqrt(gpt.config.d_model)
        nn.init.uniform_(self.head.bias, -bound, bound, generator=generator)

    def forward(self, rows: Rows) -> Tensor:
        """B rows -> class logits (B, n_classes) in float32."""
        logits: Tensor = self.head(self.features(rows))
        return logits

    def features(self, rows: Rows) -> Tensor:
        """B rows -> what the head reads (B, d_model), in the precision of the weights."""
        if isinstance(rows, FeatureRows):
            return rows.features
        with self._autocast(rows):
            if self.view.one_by_one and isinstance(rows, TokenRows):
                return torch.cat([self._features(row) for row in rows.unpadded()]).to(self.head.weight.dtype)
            return self._features(self.trimmed(rows)).to(self.head.weight.dtype)

    def trimmed(self, rows: TokenRows | StateRows) -> TokenRows | StateRows:
        """The rows without the columns that cannot change what is read."""
        if not self.view.trim:
            return rows
        return rows.columns(int(rows.lengths.max()))

    def begin(self, rows: Rows) -> StateRows:
        """Tokens, or states, as the states that the next block takes, without the columns that cannot matter."""
        if isinstance(rows, FeatureRows):
            raise TypeError("what the head reads goes through no block")
        rows = self.trimmed(rows)
        states, depth = self._begin(rows)
        return StateRows(states, rows.lengths, rows.side, depth)

    def frozen_block(self, i: int) -> Callable[[StateRows], Tensor]:
        """Block `i` as a function from the states before it to those after it, both (B, T, d_model) float32.

        In bfloat16 its matrices are rounded once, however many batches follow; the residual stream never is.
        """
        block, rounded = self.gpt.h[i], {}
        if self.precision == "bfloat16":
            rounded = {name: w.bfloat16() for name, w in block.named_parameters() if w.dim() == 2}

        def run(rows: StateRows) -> Tensor:
            with self._autocast(rows):
                states: Tensor = functional_call(block, rounded, (rows.states, self._attend(rows)))
            return states

        return run

    def _autocast(self, rows: TokenRows | StateRows) -> AbstractContextManager[object]:
        # Entered anew for every forward pass: within one context torch keeps the rounded copies of the weights,
        # and would go on computing with those from before the optimiser's step.
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(rows.lengths.device.type, torch.bfloat16)

    def _features(self, rows: TokenRows | StateRows) -> Tensor:
        x, start = self._begin(rows)
        read = read_index(self.view, rows)[:, None] if self.view.read_only else None
        hidden = self.gpt.ln_f(self.gpt.run_blocks(x, self._attend(rows), start=start, read=read))
        if read is not None:
            out: Tensor = hidden[:, 0]
            return out
        return read_hidden(self.view, hidden, rows)

    def _begin(self, rows: TokenRows | StateRows) -> tuple[Tensor, int]:
        self.positions_processed += int(rows.lengths.sum()) if self.view.trim else len(rows) * rows.width
        if isinstance(rows, StateRows):
            return rows.states, rows.depth
        return self.gpt.embed(rows.tokens, positions_of(self.view, rows)), 0

    def _attend(self, rows: TokenRows | StateRows) -> Attend:
        real = rows.real
        return Attend(
            causal=self.view.causal,
            real=real if self.view.mask_padding else None,
            packing=Packing.of(real) if self.view.trim and not bool(real.all()) else None,
        )


def positions_of(view: View, rows: TokenRows) -> Tensor | None:
    """Position of every token (B, T) int64; None for 0 .. T-1.

    Where padding stands on the left and cannot be seen, positions count from the first real token, as when
    the text had no padding at all.
    """
    if rows.last_position is not None:
        columns = torch.arange(rows.width, device=rows.lengths.device)
        return torch.where(columns == rows.lengths[:, None] - 1, rows.last_position, columns)
    if view.side == "right" or not view.mask_padding:
        return None
    return (rows.real.cumsum(dim=1) - 1).clamp(min=0)


def read_hidden(view: View, hidden: Tensor, rows: TokenRows | StateRows) -> Tensor:
    """Hidden states (B, T, d_model) -> what the head reads (B, d_model).

    The mean of hidden states before a linear head equals the mean of the logits after it.
    """
    if view.position == "mean":
        return hidden.mean(dim=1)
    if view.position == "mean_real":
        real = rows.real[:, :, None].to(hidden.dtype)
        return (hidden * real).sum(dim=1) / real.sum(dim=1)
    return gather_positions(hidden, read_index(view, rows)[:, None])[:, 0]


def read_index(view: View, rows: TokenRows | StateRows) -> Tensor:
    """Column (B,) int64 of the hidden state that is read. Only for positions that read a single one."""
    if view.position == "first":
        return torch.zeros_like(rows.lengths)
    if view.position == "last" or view.side == "left":
        return torch.full_like(rows.lengths, rows.width - 1)
    return rows.lengths - 1
