"""Token sequences of different lengths -> one padded matrix a split, and batches of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

Side = Literal["right", "left"]
POSITIONS_AT_A_TIME = 2048  # that go through the blocks without gradients; more is slower on two cores


def real_positions(lengths: Tensor, width: int, side: Side) -> Tensor:
    """(N, width) bool, True where a row of that many tokens, padded on `side`, is no padding."""
    column = torch.arange(width, device=lengths.device)
    return column < lengths[:, None] if side == "right" else column >= width - lengths[:, None]


@dataclass(frozen=True)
class TokenRows:
    """N token sequences padded to one length.

    tokens: (N, T) int64; lengths: (N,) int64, tokens of each row that are no padding; side: where padding is;
    last_position: of each row's last token that is no padding, where it does not follow from its column.
    """

    tokens: Tensor
    lengths: Tensor
    side: Side
    last_position: int | None = None

    def __len__(self) -> int:
        return self.tokens.shape[0]

    @property
    def width(self) -> int:
        """T, tokens in a row with its padding."""
        return self.tokens.shape[1]

    @property
    def real(self) -> Tensor:
        """(N, T) bool, True where a token is no padding."""
        return real_positions(self.lengths, self.width, self.side)

    def rows(self, index: Tensor) -> TokenRows:
        """The rows at `index` (B,) int64, in that order."""
        return replace(self, tokens=self.tokens[index], lengths=self.lengths[index])

    def columns(self, n: int) -> TokenRows:
        """The first `n` columns of rows that are padded on the right."""
        return replace(self, tokens=self.tokens[:, :n], lengths=self.lengths.clamp(max=n))

    def to(self, device: torch.device) -> TokenRows:
        """The same rows on another device."""
        return replace(self, tokens=self.tokens.to(device), lengths=self.lengths.to(device))

    def unpadded(self) -> Iterator[TokenRows]:
        """Each row alone, at its own length."""
        real = self.real
        for i in range(len(self)):
            yield replace(self, tokens=self.tokens[i : i + 1, real[i]], lengths=self.lengths[i : i + 1])


def pad(sequences: Sequence[Sequence[int]], length: int, pad_id: int, side: Side = "right") -> TokenRows:
    """Cut every sequence to its first `length` tokens and pad it to that length on `side`.

    An empty sequence keeps one padding token as its only real one, so that there is something to read.
    """
    tokens = torch.full((len(sequences), length), pad_id, dtype=torch.int64)
    lengths = torch.empty(len(sequences), dtype=torch.int64)
    for i, sequence in enumerate(sequences):
        row = torch.tensor(sequence[:length], dtype=torch.int64)
        lengths[i] = max(1, len(row))
        if side == "right":
            tokens[i, : len(row)] = row
        else:
            tokens[i, length - len(row) :] = row
    return TokenRows(tokens, lengths, side)


def epoch_batches(n: int, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """Row numbers (batch_size,) int64 of each batch of one shuffled epoch.

    The last partial batch is dropped, as published, unless it is the only one.
    """
    order = torch.randperm(n, generator=generator)
    batch_size = min(batch_size, n)
    return list(order[: n // batch_size * batch_size].split(batch_size))


def batches_by_length(lengths: Tensor, width: int, trim: bool) -> Iterator[Tensor]:
    """Row numbers (B,) int64 by length, as many at a time as make about POSITIONS_AT_A_TIME positions.

    trim: a batch is as wide as its longest row, else `width`.
    """
    order = torch.argsort(lengths, stable=True)
    widths = lengths[order].tolist() if trim else [width] * len(order)
    begin = 0
    for end in range(1, len(order) + 1):
        # widths ascend: the next row would be the widest of the batch
        if end == len(order) or widths[end] * (end + 1 - begin) > POSITIONS_AT_A_TIME:
            yield order[begin:end]
            begin = end
