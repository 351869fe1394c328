"""The frozen part of a model, computed once: what blocks below the first trained one make of the rows.

Shared by every epoch, seed and recipe that agrees on weights, tokens, mask, precision and depth.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import torch
from torch import Tensor

from gptcore.data.batching import Side, TokenRows, real_positions

if TYPE_CHECKING:
    from gptcore.finetune.classifier import Classifier

TRUNK_BATCH_TOKENS = 2048  # positions that go through the blocks at a time; more is slower on two cores
MEMORY_SHARE = 0.3  # of the memory that is free when the store is made


@dataclass(frozen=True)
class StateRows:
    """Rows as hidden states before block `depth`. states: (N, T, d_model) float32; lengths: (N,) int64."""

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
        return StateRows(self.states[index], self.lengths[index], self.side, self.depth)

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


class TrunkStore:
    """Trunks in memory, least recently used out first, within a budget of bytes."""

    def __init__(self, budget_bytes: int | None = None) -> None:
        free = psutil.virtual_memory().available
        self.budget_bytes = int(free * MEMORY_SHARE) if budget_bytes is None else budget_bytes
        self._trunks: OrderedDict[tuple[str, int, str], Trunk] = OrderedDict()

    def get(self, classifier: Classifier, weights: str, rows: TokenRows, depth: int) -> tuple[Trunk, float]:
        """The trunk of these rows up to block `depth`, and the seconds of it that had been spent before.

        depth = n_layer asks for features. weights: fingerprint of the frozen weights. A deeper trunk starts
        from the deepest stored one that is shallower.
        """
        same = _digest(classifier, weights, rows)
        read = classifier.view.position if depth == classifier.gpt.config.n_layer else ""
        key = (same, depth, read)
        if key in self._trunks:
            self._trunks.move_to_end(key)
            return self._trunks[key], self._trunks[key].seconds
        shallower = [k for k in self._trunks if k[0] == same and k[1] < depth]
        base = self._trunks[max(shallower, key=lambda k: k[1])] if shallower else None
        self._trunks[key] = trunk = compute_trunk(classifier, rows, depth, base)
        while (
            len(self._trunks) > 1 and sum(t.rows.n_bytes for t in self._trunks.values()) > self.budget_bytes
        ):
            self._trunks.popitem(last=False)
        return trunk, 0.0 if base is None else base.seconds


def _digest(classifier: Classifier, weights: str, rows: TokenRows) -> str:
    """SHA-256 of everything that decides hidden states, but the depth."""
    view, device = classifier.view, rows.tokens.device.type
    parts = (weights, view.causal, view.mask_padding, view.trim, view.one_by_one, rows.side)
    where = (tuple(rows.tokens.shape), device, classifier.precision)
    digest = hashlib.sha256(repr((parts, where)).encode())
    digest.update(rows.tokens.cpu().numpy().tobytes())
    digest.update(rows.lengths.cpu().numpy().tobytes())
    return digest.hexdigest()


@torch.no_grad()
def compute_trunk(classifier: Classifier, rows: TokenRows, depth: int, base: Trunk | None = None) -> Trunk:
    """Run every distinct row through the blocks below `depth`; depth = n_layer gives what the head reads.

    Equal rows are computed once. Where the view trims, rows of like length go together, so that next to no
    padding is computed; their padding stays zero.
    """
    began = time.perf_counter()
    was_training = classifier.training
    classifier.eval()
    first, inverse = _distinct(rows)
    start = base.rows if base is not None and isinstance(base.rows, StateRows) else rows
    features = depth == classifier.gpt.config.n_layer
    d_model = classifier.gpt.config.d_model
    shape = (len(first), d_model) if features else (len(first), rows.width, d_model)
    out = torch.zeros(shape, device=rows.tokens.device)
    for index in _batches(rows.lengths[first], rows.width, classifier.view.trim):
        batch = classifier.trimmed(start.rows(first[index]))
        if features:
            out[index] = classifier.features(batch)
        else:
            out[index, : batch.width] = classifier.states(batch, depth)
    classifier.train(was_training)
    all_rows = out[inverse]
    made: StateRows | FeatureRows = FeatureRows(all_rows, rows.lengths)
    if not features:
        made = StateRows(all_rows, rows.lengths, rows.side, depth)
    spent_before = 0.0 if base is None else base.seconds
    return Trunk(made, spent_before + time.perf_counter() - began)


def _distinct(rows: TokenRows) -> tuple[Tensor, Tensor]:
    """Row number of the first of each kind of row (U,), and which kind each row is (N,), both int64."""
    whole = torch.cat([rows.lengths[:, None], rows.tokens], dim=1)
    kinds, inverse = torch.unique(whole, dim=0, return_inverse=True)
    numbers = torch.arange(len(rows), device=inverse.device)
    first = torch.full((len(kinds),), len(rows), device=inverse.device)
    return first.scatter_reduce(0, inverse, numbers, "amin"), inverse


def _batches(lengths: Tensor, width: int, trim: bool) -> Iterator[Tensor]:
    """Row numbers by length, as many at a time as make about TRUNK_BATCH_TOKENS positions."""
    order = torch.argsort(lengths, stable=True)
    widths = lengths[order].tolist() if trim else [width] * len(order)
    begin = 0
    for end in range(1, len(order) + 1):
        # widths ascend: the next row would be the widest of the batch
        if end == len(order) or widths[end] * (end + 1 - begin) > TRUNK_BATCH_TOKENS:
            yield order[begin:end]
            begin = end
