"""Sequences of tokens, each as long as it is, in a fraction of the memory of lists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import numpy as np


@dataclass(frozen=True, eq=False)
class Ragged:
    """N sequences end to end. tokens: (n,) int32, of all of them; lengths: (N,) int64."""

    tokens: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, sequences: Sequence[Sequence[int]]) -> Ragged:
        """The same sequences."""
        lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        tokens = np.fromiter(chain.from_iterable(sequences), dtype=np.int32, count=int(lengths.sum()))
        return cls(tokens, lengths)

    def lists(self) -> list[list[int]]:
        """Each sequence as a list."""
        return [part.tolist() for part in self._parts()]

    def _parts(self) -> Iterator[np.ndarray]:
        ends = list(accumulate(self.lengths.tolist()))
        return (self.tokens[begin:end] for begin, end in zip([0, *ends], ends, strict=False))

    @staticmethod
    def digest(of: Iterable[Ragged]) -> str:
        """SHA-256 over the distinct sequences, whatever their order and how they are padded."""
        found = hashlib.sha256()
        for sequence in sorted({part.tobytes() for each in of for part in each._parts()}):
            found.update(len(sequence).to_bytes(8, "little") + sequence)
        return found.hexdigest()
