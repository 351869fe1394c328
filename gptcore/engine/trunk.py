"""The frozen part of a model, computed once: what blocks below the first trained one make of the rows.

Shared by every epoch, seed and recipe that agrees on weights, tokens, mask, precision and depth.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gptcore.data.rows import Side, TokenRows, batches_by_length, real_positions

if TYPE_CHECKING:
    from gptcore.engine.classifier import Classifier


@dataclass(frozen=True)
class StateRows:
    """Rows as hidden states before block `depth`. states: (N, T, d_model) float32; lengths: (N,) int64.

    The states of a whole split may lie in a mapped file; those of picked rows are where the lengths are.
    """

    states: Tensor
    lengths: Tensor
    side: Side
    depth: int

    def __len__(self) -> int:
        return self.states.shape[0]

    @property
    def width(self) -> int:
        """T, positions in a row with its padding."""
        return self.states.shape[1]

    @property
    def real(self) -> Tensor:
        """(N, T) bool, True where a position is no padding."""
        return real_positions(self.lengths, self.width, self.side)

    @property
    def n_bytes(self) -> int:
        """Bytes of memory that the states take."""
        return self.states.nbytes

    def rows(self, index: Tensor) -> StateRows:
        """The rows at `index` (B,) int64, in that order."""
        states = self.states[index.to(self.states.device)].to(self.lengths.device)
        return StateRows(states, self.lengths[index], self.side, self.depth)

    def columns(self, n: int) -> StateRows:
        """The first `n` columns of rows that are padded on the right."""
        return StateRows(self.states[:, :n], self.lengths.clamp(max=n), self.side, self.depth)


@dataclass(frozen=True)
class FeatureRows:
    """Rows as what the head reads, where the whole backbone is frozen. features: (N, d_model) float32."""

    features: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return self.features.shape[0]

    @property
    def n_bytes(self) -> int:
        """Bytes of memory that the features take."""
        return self.features.nbytes

    def rows(self, index: Tensor) -> FeatureRows:
        """The rows at `index` (B,) int64, in that order."""
        return FeatureRows(self.features[index], self.lengths[index])


Rows = TokenRows | StateRows | FeatureRows


@dataclass(frozen=True)
class Trunk:
    """Computed rows, and the seconds that computing them from the tokens took."""

    rows: StateRows | FeatureRows
    seconds: float


@torch.no_grad()
def compute_trunk(
    classifier: Classifier,
    rows: TokenRows,
    depth: int,
    base: Trunk | None = None,
    out: Tensor | None = None,
) -> Trunk:
    """Run every distinct row through the blocks below `depth`; depth = n_layer gives what the head reads.

    base: a shallower trunk of the same rows to start from; out: (N, T, d_model) zeros to fill where the states
    are not to be in memory. Equal rows are computed once. Where the view trims, rows of like length go together, and
    padding is not computed: its states are never read.
    """
    began = time.perf_counter()
    was_training = classifier.training
    classifier.eval()
    first, inverse = _distinct(rows)
    batches = [first[i] for i in batches_by_length(rows.lengths[first], rows.width, classifier.view.trim)]
    start = base.rows if base is not None and isinstance(base.rows, StateRows) else rows
    made: StateRows | FeatureRows
    if depth == classifier.gpt.config.n_layer:
        features = torch.zeros(len(rows), classifier.gpt.config.d_model, device=rows.tokens.device)
        for index in batches:
            features[index] = classifier.features(start.rows(index))
        made = FeatureRows(features[first[inverse]], rows.lengths)
    else:
        if out is None:
            shape = (len(rows), rows.width, classifier.gpt.config.d_model)
            out = torch.zeros(shape, device=rows.tokens.device)
        made = StateRows(out, rows.lengths, rows.side, depth)
        _run_blocks(classifier, start, batches, made)
        source = first[inverse].to(out.device)
        again = torch.arange(len(rows), device=out.device) != source  # rows that were there before
        out[again] = out[source[again]]
    classifier.train(was_training)
    spent_before = 0.0 if base is None else base.seconds
    return Trunk(made, spent_before + time.perf_counter() - began)


def _run_blocks(classifier: Classifier, start: Rows, batches: list[Tensor], out: StateRows) -> None:
    """Fill `out` for the rows of the batches, block by block: no two blocks' weights are needed at a time."""
    begin, place = start.depth if isinstance(start, StateRows) else 0, out.states.device
    widths = []
    for index in batches:
        batch = classifier.begin(start.rows(index))
        widths.append(batch.width)
        out.states[index.to(place), : batch.width] = batch.states.to(place)
    for i in range(begin, out.depth):
        block = classifier.frozen_block(i)
        for index, width in zip(batches, widths, strict=True):
            made = block(StateRows(out.states, out.lengths, out.side, i).rows(index).columns(width))
            out.states[index.to(place), :width] = made.to(place)


def _distinct(rows: TokenRows) -> tuple[Tensor, Tensor]:
    """Row number of the first of each kind of row (U,), and which kind each row is (N,), both int64."""
    whole = torch.cat([rows.lengths[:, None], rows.tokens], dim=1)
    kinds, inverse = torch.unique(whole, dim=0, return_inverse=True)
    numbers = torch.arange(len(rows), device=inverse.device)
    first = torch.full((len(kinds),), len(rows), device=inverse.device)
    return first.scatter_reduce(0, inverse, numbers, "amin"), inverse
