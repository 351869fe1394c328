"""A backbone whose output layer is replaced by one class head that reads a chosen position."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gptcore.backbones.base import Attend, Backbone, gather_positions
from gptcore.data.rows import READ, Rows, real_positions
from gptcore.engine.attention import Packing, RowAttention
from gptcore.engine.head import HeadKind, new_head
from gptcore.engine.layout import Layout, Precision
from gptcore.methods.adapter import Adapter
from gptcore.methods.base import Method


class Classifier(nn.Module):
    """Backbone, position (or pooling) and head.

    Takes the backbone over: its language-model output layer, where it has one of its own, is dropped, so that there
    is exactly one head, which starts from its own generator.
    """

    def __init__(
        self,
        backbone: Backbone,
        n_classes: int,
        layout: Layout,
        generator: torch.Generator,
        precision: Precision = "float32",
        head: HeadKind = "linear",
    ) -> None:
        super().__init__()
        backbone.drop_output()
        self.backbone = backbone
        self.layout = layout
        self.precision = precision
        self.adapter = Adapter()
        self.positions_processed = 0  # that went through at least one block, hidden padding not counted
        self.n_processes = 1  # that share it: all must call it with the same rows, equally often
        self.n_classes = n_classes
        info = backbone.info
        self.head = new_head(head, info.width, n_classes, info.head_activation, generator)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.head.parameters()).device

    def attach(self, method: Method, generator: torch.Generator) -> None:
        """Let a method mark what learns in the backbone, beside the head, which always does."""
        self.adapter = method.attach(self.backbone, generator)
        self.adapter.initialise(RowAttention(self.backbone.info.abilities.causal))
        for parameter in self.trained_parameters():
            # Not a view of the checkpoint's file, which may be transposed and must not be written to.
            parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)

    def trained_parameters(self) -> list[nn.Parameter]:
        """The parameters that learn, in the model's order."""
        return [p for p in self.parameters() if p.requires_grad]

    def forward(self, rows: Rows) -> Tensor:
        """B rows -> class logits (B, n_classes) in float32."""
        logits: Tensor = self.head(self.features(rows))
        return logits

    def features(self, rows: Rows) -> Tensor:
        """B rows -> what the head reads (B, width), in the precision of the weights."""
        if rows.depth == READ:
            return rows.values
        if self.layout.one_by_one and rows.are_tokens:
            found = torch.cat([self._features(row) for row in rows.unpadded()])
        else:
            found = self._features(rows)
        return found.to(next(self.head.parameters()).dtype)

    def embed_or_resume(self, rows: Rows) -> Rows:
        """Tokens, or states, as the states that the next block takes, without the columns that cannot matter."""
        if rows.depth == READ:
            raise TypeError("what the head reads goes through no block")
        rows, attend = self._laid_out(rows)
        self._count(rows, attend)
        return replace(rows, values=self.backbone.run(rows, attend, stop=rows.depth))

    def frozen_block(self, i: int) -> Callable[[Rows], Tensor]:
        """Block `i` as a function from the states before it to those after it, both (B, T, width) float32.

        Those after it lack the columns that cannot change what is read. In bfloat16 its matrices are rounded once,
        however many batches follow; the residual stream never is.
        """
        rounded: dict[str, Tensor] = {}
        if self.precision == "bfloat16":
            mine = set(self.backbone.blocks[i].parameters())
            named = self.backbone.named_parameters(prefix="backbone")
            rounded = {name: w.bfloat16() for name, w in named if w in mine and w.dim() == 2}
        module = _Run(self.backbone)

        def run(rows: Rows) -> Tensor:
            rows, attend = self._laid_out(rows)
            with self._autocast(rows):
                states: Tensor = functional_call(module, rounded, (rows, attend, i + 1))
            return states

        return run

    def _autocast(self, rows: Rows) -> AbstractContextManager[object]:
        # Entered anew for every forward pass: within one context torch keeps the rounded copies of the weights,
        # and would go on computing with those from before the optimiser's step.
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(rows.lengths.device.type, torch.bfloat16)

    def _features(self, rows: Rows) -> Tensor:
        rows, attend = self._laid_out(rows)
        self._count(rows, attend)
        if not self.layout.last_block_at_read_positions:
            with self._autocast(rows):
                return read_hidden(self.layout, self.backbone.run(rows, attend), rows)
        last = max(self.backbone.info.n_blocks - 1, rows.depth)
        with self._autocast(rows):
            states = self.backbone.run(rows, attend, stop=last)
        # A few rows through large weights: rounding the weights would cost more than bfloat16 products save.
        below = replace(rows, values=states, depth=last)
        read = read_index(self.layout, rows)[:, None]
        return self.backbone.run(below, attend, read=read)[:, 0]

    def _laid_out(self, rows: Rows) -> tuple[Rows, RowAttention]:
        """The rows without the columns that cannot change what is read, and who sees whom in them.

        Waits for a GPU once, for the lengths, and only where padding is dropped.
        """
        packing = None
        if self.layout.drop_padding:
            lengths = rows.lengths.cpu()
            rows = rows.columns(int(lengths.max()))
            if self.backbone.info.abilities.packed and int(lengths.min()) < rows.width:
                packing = Packing.of(real_positions(lengths, rows.width, rows.side), rows.lengths.device)
        attend = RowAttention(
            causal=self.layout.causal,
            real=rows.real if self.layout.mask_padding else None,
            packing=packing,
            positions=positions_of(self.layout, rows),
            causal_below=self.layout.causal_below(self.backbone.info.n_blocks),
        )
        return rows, attend

    @contextmanager
    def laid_out_as(self, layout: Layout) -> Iterator[None]:
        """Another layout while the context lasts."""
        own, self.layout = self.layout, layout
        try:
            yield
        finally:
            self.layout = own

    def _count(self, rows: Rows, attend: RowAttention) -> None:
        """Count the positions that are about to be computed."""
        packing = attend.packing
        self.positions_processed += len(rows) * rows.width if packing is None else len(packing.index)


class _Run(nn.Module):
    """`Backbone.run` as a module's forward pass, for `functional_call`."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, rows: Rows, attend: Attend, stop: int) -> Tensor:
        return self.backbone.run(rows, attend, stop=stop)


def positions_of(layout: Layout, rows: Rows) -> Tensor | None:
    """Position of every token (B, T) int64; None for 0 .. T-1.

    Where padding stands on the left and cannot be seen, positions count from the first real token, as when
    the text had no padding at all. Of states as well: rotary positions are taken anew in every block.
    """
    if rows.last_position is not None:
        columns = torch.arange(rows.width, device=rows.lengths.device)
        return torch.where(columns == rows.lengths[:, None] - 1, rows.last_position, columns)
    if layout.side == "right" or not layout.mask_padding:
        return None
    return (rows.real.cumsum(dim=1) - 1).clamp(min=0)


def read_hidden(layout: Layout, hidden: Tensor, rows: Rows) -> Tensor:
    """Hidden states (B, T, width) -> what the head reads (B, width).

    The mean of hidden states before a linear head equals the mean of the logits after it; an MLP reads the mean.
    """
    if layout.position == "mean":
        return hidden.mean(dim=1)
    if layout.position == "mean_real":
        real = rows.real[:, :, None].to(hidden.dtype)
        return (hidden * real).sum(dim=1) / real.sum(dim=1)
    return gather_positions(hidden, read_index(layout, rows)[:, None])[:, 0]


def read_index(layout: Layout, rows: Rows) -> Tensor:
    """Column (B,) int64 of the hidden state that is read. Only for positions that read a single one."""
    if layout.position == "first":
        return torch.zeros_like(rows.lengths)
    if layout.position == "last" or layout.side == "left":
        return torch.full_like(rows.lengths, rows.width - 1)
    return rows.lengths - 1
