"""Rows of different lengths without their padding, one after the other, as all of a block but attention takes them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Packing:
    """The N real positions of B rows that are padded to T columns on the right.

    index: (N,) int64, where each stands in the rows laid end to end; shape: (B, T).
    """

    index: Tensor
    shape: tuple[int, int]

    @classmethod
    def of(cls, real: Tensor) -> Packing:
        """The packing of rows (B, T) bool, True where a position is no padding."""
        return cls(real.flatten().nonzero()[:, 0], (real.shape[0], real.shape[1]))

    def pack(self, x: Tensor) -> Tensor:
        """x (B, T, C) -> (N, C)."""
        return x.flatten(0, 1).index_select(0, self.index)

    def unpack(self, x: Tensor) -> Tensor:
        """x (N, C) -> (B, T, C), zero where padding is."""
        (B, T), C = self.shape, x.shape[1]
        return x.new_zeros(B * T, C).index_copy(0, self.index, x).view(B, T, C)
