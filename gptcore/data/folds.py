"""Splits of which five in a row test every text once: for seeds that vary the split (k-fold cross-validation).

Always five folds, so that a test part is a fifth of the texts and a study can grow; seeds from the sixth on are a
second round with other folds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gptcore.data.parts import VALIDATION_FRACTION, with_copies
from gptcore.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from gptcore.data.parts import Parts

N_FOLDS = 5
FIRST_SEED = 123  # whose fold is the first of the first round


def fold_parts(
    name: str, labels: np.ndarray, groups: np.ndarray, seed: int, published: Parts | None = None
) -> Parts:
    """Train, validation and test rows (int64): the test part is the seed's fold, 10% of each class validate.

    labels: (N,) int64; groups: (N,) the first row with the same text, whose copies go along; published: parts of the
    first seed, whose rows alone are used and whose test part is the first fold. Raises UserError where a class
    has fewer texts than folds.
    """
    import numpy as np

    turn, fold = divmod(seed - FIRST_SEED, N_FOLDS)
    firsts = np.unique(groups) if published is None else np.sort(np.concatenate(published))
    counts = np.unique(labels[firsts], return_counts=True)[1]
    if len(counts) < len(np.unique(labels)) or counts.min() < N_FOLDS:
        raise UserError(
            f"{name}: --splits kfold needs {N_FOLDS} different texts of each class: add rows, or leave it out"
        )
    if published is not None and turn == 0:
        if fold == 0:
            return published
        pool = np.sort(np.concatenate(published[:2]))
        test = _dealt(pool, labels, turn)[fold - 1 :: N_FOLDS - 1]
    else:
        test = _dealt(firsts, labels, turn)[fold::N_FOLDS]
    random = np.random.RandomState(seed % 2**32)
    rest = random.permutation(np.setdiff1d(firsts, test))
    is_chosen = np.zeros(len(rest), dtype=bool)
    for label in np.unique(labels[firsts]):
        n = max(1, round(int((labels[firsts] == label).sum()) * VALIDATION_FRACTION))
        is_chosen[np.flatnonzero(labels[rest] == label)[:n]] = True
    parts = (rest[~is_chosen], rest[is_chosen], random.permutation(test))
    return parts if published is not None else with_copies(parts, groups)


def _dealt(rows: np.ndarray, labels: np.ndarray, turn: int) -> np.ndarray:
    """Rows shuffled within each class, one class behind the other: every k-th of them has the classes in proportion."""
    import numpy as np

    shuffled = np.random.RandomState((FIRST_SEED + turn) % 2**32).permutation(rows)
    return np.asarray(shuffled[np.argsort(labels[shuffled], kind="stable")])
