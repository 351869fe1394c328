"""Rows: texts as tokens, as hidden states, or as what the head reads; and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

import torch
from torch import Tensor

Side = Literal["right", "left"]
READ = -1  # depth of rows that have gone through all blocks: what the head reads
POSITIONS_AT_A_TIME = 2048  # that go through the blocks without gradients; more is slower on two cores


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on a device; a GPU fetches it from the CPU while the program goes on."""
    if tensor.device.type == "cpu" and device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def real_positions(lengths: Tensor, width: int, side: Side) -> Tensor:
    """(N, width) bool, True where a row of that many tokens, padded on `side`, is not padding."""
    column = torch.arange(width, device=lengths.device)
    return column < lengths[:, None] if side == "right" else column >= width - lengths[:, None]


@dataclass(frozen=True)
class Rows:
    """N texts, as far as a model has computed them, padded to one length.

    values:  (N, T) int64 tokens (depth 0); (N, T, D) hidden states before block `depth`; (N, D) what the head reads
             at depth READ. Those of a whole split may lie in a mapped file; those of taken rows are where the lengths
             are.
    lengths: (N,) int64, positions of each row that are not padding.
    side:    where padding is.
    last_position: of each row's last token that is not padding, where it does not follow from its column.
    places:  (N,) int64, where `values` has the values of each row among those of others; None: they are these rows'.
    """

    values: Tensor
    lengths: Tensor
    side: Side = "right"
    depth: int = 0
    last_position: int | None = None
    places: Tensor | None = None

    @classmethod
    def whole(cls, tokens: Tensor) -> Rows:
        """tokens (N, T) int64 without padding."""
        return cls(tokens, torch.full((len(tokens),), tokens.shape[1], device=tokens.device))

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def are_tokens(self) -> bool:
        """Whether nothing has been computed: states before block 0 are embeddings, at depth 0 as well."""
        return not self.values.is_floating_point()

    @property
    def width(self) -> int:
        """T, positions in a row with its padding; 0 where only what the head reads is left of a row."""
        return 0 if self.depth == READ else self.values.shape[1]

    @property
    def real(self) -> Tensor:
        """(N, T) bool, True where a position is not padding."""
        return real_positions(self.lengths, self.width, self.side)

    @property
    def in_memory(self) -> bool:
        """Whether the values lie where computing is done, and not in a mapped file."""
        return self.values.device == self.lengths.device

    def take(self, index: Tensor) -> Rows:
        """The rows at `index` (B,) int64, which may be on any device, in that order, on the device of the lengths."""
        device, places = self.lengths.device, moved(index, self.values.device)
        if self.places is not None:
            places = self.places[places]
        lengths = self.lengths[moved(index, device)]
        return replace(self, values=moved(self.values[places], device), lengths=lengths, places=None)

    def columns(self, n: int) -> Rows:
        """The first `n` columns of rows that are padded on the right."""
        return replace(self, values=self.values[:, :n], lengths=self.lengths.clamp(max=n))

    def to(self, device: torch.device) -> Rows:
        """The same rows on another device."""
        places = None if self.places is None else self.places.to(device)
        return replace(self, values=self.values.to(device), lengths=self.lengths.to(device), places=places)

    def unpadded(self) -> Iterator[Rows]:
        """Each row alone, at its own length."""
        real = self.real
        for i in range(len(self)):
            row = self.take(torch.tensor([i]))
            yield replace(row, values=row.values[:, real[i]])


def pad(sequences: Sequence[Sequence[int]], length: int, pad_id: int, side: Side = "right") -> Rows:
    """Cut every sequence to its first `length` tokens and pad it to that length on `side`.

    An empty sequence keeps one padding token as its only real one, so that there is something to read.
    """
    tokens = torch.full((len(sequences), length), pad_id, dtype=torch.int64)
    lengths = torch.tensor([min(len(sequence), length) for sequence in sequences], dtype=torch.int64)
    # All tokens at once, row after row: a tensor for each text takes longer than a small model's answer.
    end_to_end = chain.from_iterable(sequence[:length] for sequence in sequences)
    tokens[real_positions(lengths, length, side)] = torch.tensor(list(end_to_end), dtype=torch.int64)
    return Rows(tokens, lengths.clamp(min=1), side)


def pooled(parts: Sequence[Rows]) -> tuple[Rows, list[Tensor]]:
    """The distinct rows of all parts, and where each part's rows are among them, (N,) int64 each.

    parts: tokens of one width, side and last position. Their order says nothing of which part a row was in, so parts
    that divide the same texts in another way have the same pool.
    """
    whole = torch.cat([torch.cat([part.lengths[:, None], part.values], dim=1) for part in parts])
    kinds, places = torch.unique(whole, dim=0, return_inverse=True)
    pool = replace(parts[0], values=kinds[:, 1:].contiguous(), lengths=kinds[:, 0].contiguous())
    return pool, list(places.split([len(part) for part in parts]))


def epoch_batches(n: int, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """Row numbers (batch_size,) int64 of each batch of one shuffled epoch.

    The last partial batch is dropped, as published, unless it is the only one.
    """
    order = torch.randperm(n, generator=generator)
    batch_size = min(batch_size, n)
    return list(order[: n // batch_size * batch_size].split(batch_size))


def batches_by_length(
    lengths: Tensor, width: int, drop_padding: bool, positions: int | None = None
) -> Iterator[Tensor]:
    """Row numbers (B,) int64 by length, as many at a time as make about `positions` (POSITIONS_AT_A_TIME).

    drop_padding: a batch is as wide as its longest row, else `width`.
    """
    most = POSITIONS_AT_A_TIME if positions is None else positions
    order = torch.argsort(lengths, stable=True)
    widths = lengths[order].tolist() if drop_padding else [width] * len(order)
    begin = 0
    for end in range(1, len(order) + 1):
        # widths ascend: the next row would be the widest of the batch
        if end == len(order) or widths[end] * (end + 1 - begin) > most:
            yield order[begin:end]
            begin = end
