"""Which rows train, validate and test: cut within each class, or as given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from gptcore.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    Parts = tuple[np.ndarray, np.ndarray, np.ndarray]  # row numbers of train, validation and test, int64

VALIDATION_FRACTION, TEST_FRACTION = 0.1, 0.2  # of each class, where nothing is given
NAMES = ("train", "validation", "test")


class Cut(NamedTuple):
    """Row numbers of train, validation and test, which of these were given, and remarks on that."""

    rows: Parts
    given: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def cut(
    name: str, labels: np.ndarray, label_names: tuple[str, ...], given: Sequence[str] | None, seed: int
) -> Cut:
    """Cut N rows into their parts.

    labels: (N,) int64; given: (N,) part of each row, or None for none. Raises UserError where a part or a class
    in it would be empty.
    """
    if len(label_names) == 1:
        raise UserError(
            f"{name}: all {len(labels)} rows have the label {label_names[0]!r}: "
            "add rows with another label, or name another label column"
        )
    if given is None:
        _require_three(name, labels, label_names)
        return Cut(stratified_parts(labels, seed))
    return _as_given(name, labels, label_names, given, seed)


def stratified_parts(labels: np.ndarray, seed: int) -> Parts:
    """Split labels (N,) 70/10/20 within each class, each class in every part at least once.

    Needs 3 rows a class. scikit-learn's `train_test_split` called twice needs more than that, and may leave a
    small class out of a part.
    """
    import numpy as np

    # Its stream is frozen for good, so a seed means the same split forever.
    random = np.random.RandomState(seed)
    parts: list[list[np.ndarray]] = [[], [], []]
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        n_validation = max(1, round(len(rows) * VALIDATION_FRACTION))
        n_test = max(1, round(len(rows) * TEST_FRACTION))
        cuts = np.split(rows, [len(rows) - n_validation - n_test, len(rows) - n_test])
        for part, cut_off in zip(parts, cuts, strict=True):
            part.append(cut_off)
    train, validation, test = (random.permutation(np.concatenate(part)) for part in parts)
    return train, validation, test


def _require_three(name: str, labels: np.ndarray, label_names: tuple[str, ...]) -> None:
    import numpy as np

    counts = np.bincount(labels, minlength=len(label_names))
    small = np.flatnonzero(counts < len(NAMES))
    if len(small):
        more = f" (and {len(small) - 1} more classes are as small)" if len(small) > 1 else ""
        raise UserError(
            f"{name}: label {label_names[small[0]]!r} has {counts[small[0]]} of the {len(NAMES)} rows that train, "
            f"validation and test need{more}: add rows, remove the label, or name another label column"
        )


def _as_given(
    name: str, labels: np.ndarray, label_names: tuple[str, ...], given: Sequence[str], seed: int
) -> Cut:
    import numpy as np

    found = np.array(given)
    train, validation, test = (np.flatnonzero(found == part) for part in NAMES)
    for part, rows in (("train", train), ("test", test)):
        if not len(rows):
            raise UserError(
                f"{name}: no row is given as {part}: give {part} rows, or no parts at all to have rows split 70/10/20"
            )
    missing = sorted(set(labels[found != "train"].tolist()) - set(labels[train].tolist()))
    if missing:
        n = int(np.isin(labels, missing).sum())
        raise UserError(
            f"{name}: no train row has the label {label_names[missing[0]]!r}, which {n} rows of other parts have: "
            "add train rows with it, or remove these rows"
        )
    random = np.random.RandomState(seed)
    if len(validation):
        # In an order that no seed changes: the same part is the same dataset.
        train = np.random.RandomState(0).permutation(train)
        told = "train, validation and test rows are given: no seed splits them anew"
        return Cut((train, validation, test), NAMES, (told,))
    train, validation = _without_validation(name, labels, random.permutation(train))
    told = (
        f"test rows are given and validation rows are not: {len(validation):,} of the train rows, "
        f"{VALIDATION_FRACTION:.0%} of each class, are cut off for it; seeds of the split change these alone"
    )
    return Cut((train, validation, test), ("test",), (told,))


def _without_validation(name: str, labels: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut a part off shuffled train rows, within each class; a class of one row stays whole."""
    import numpy as np

    chosen = np.zeros(len(rows), dtype=bool)
    for label in np.unique(labels[rows]):
        places = np.flatnonzero(labels[rows] == label)
        n = min(len(places) - 1, max(1, round(len(places) * VALIDATION_FRACTION)))
        chosen[places[:n]] = True
    if not chosen.any():
        raise UserError(
            f"{name}: each class has one train row, so none can be cut off for validation: add train rows"
        )
    return rows[~chosen], rows[chosen]
