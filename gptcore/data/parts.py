"""What the parts of a data set are: their names, their shares, and row numbers for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    Parts = tuple[np.ndarray, np.ndarray, np.ndarray]  # row numbers of train, validation and test, int64

VALIDATION_FRACTION, TEST_FRACTION = 0.1, 0.2  # of each class, where nothing is given
NAMES = ("train", "validation", "test")


class Together(NamedTuple):
    """Rows that stay in one part.

    first: (N,) int64, of each row the first one that it stays with; n_groups: that were named, None where rows are
    copies of a text alone; joined: what joins groups, and what to do about it, "" where nothing does.
    """

    first: np.ndarray
    n_groups: int | None = None
    joined: str = ""

    @property
    def because(self) -> str:
        """What joins groups, as a part of an error."""
        return f" ({self.joined})" if self.joined else ""


class Cut(NamedTuple):
    """Row numbers of train, validation and test, which of these were given, and remarks on that."""

    rows: Parts
    given: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def missing_classes(labels: np.ndarray, label_names: tuple[str, ...]) -> list[int]:
    """The classes that no row has, in order. labels: (N,) int64 of the rows."""
    return sorted(set(range(len(label_names))) - set(labels.tolist()))


def with_copies(parts: Sequence[np.ndarray], groups: np.ndarray) -> Parts:
    """Parts of first rows with the copies of each right behind it; groups: (N,) the first row of each row."""
    import numpy as np

    order = np.argsort(groups, kind="stable")
    firsts, begins = np.unique(groups[order], return_index=True)
    members = dict(zip(firsts.tolist(), np.split(order, begins[1:]), strict=True))
    train, validation, test = (np.concatenate([members[row] for row in part.tolist()]) for part in parts)
    return train, validation, test
