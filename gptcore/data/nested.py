"""Fewer texts of a part: every class in proportion, and smaller sets within larger ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from gptcore.data.parts import Parts


def nested_order(labels: np.ndarray) -> np.ndarray:
    """An order of N texts (N,) int64 whose every beginning has each class in proportion, to within a text.

    labels: (N,) int64. The first text of every class comes first, the largest class before the others; within a
    class the order stays. So the first n texts are a part of the first m for n < m.
    """
    import numpy as np

    rank = np.empty(len(labels), dtype=np.int64)
    counts = np.bincount(labels)
    for label in np.flatnonzero(counts):
        rank[labels == label] = np.arange(counts[label])
    of_class = counts[labels]
    return np.lexsort((labels, -of_class, rank / of_class))


def limited(parts: Parts, labels: np.ndarray, n: int) -> Parts:
    """The first n texts of the train part, and of the other parts the same share, a text of each class at least.

    labels: (N,) int64 of all rows. Each part is cut in `nested_order` and stays in its own order.
    """
    import numpy as np

    share = min(1.0, n / len(parts[0]))

    def cut_off(rows: np.ndarray) -> np.ndarray:
        wanted = max(round(share * len(rows)), len(np.unique(labels[rows])))
        return np.asarray(rows[np.sort(nested_order(labels[rows])[:wanted])])

    train, validation, test = map(cut_off, parts)
    return train, validation, test
