"""Which rows train, validate and test: cut within each class, or as given. Copies of a text stay together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gptcore.data.checks import copies, repeats
from gptcore.data.given_parts import as_given
from gptcore.data.groups import PART_THEM, check_whole, components, grouped_parts, joined_by
from gptcore.data.parts import (
    NAMES,
    TEST_FRACTION,
    VALIDATION_FRACTION,
    Cut,
    Together,
    missing_classes,
    with_copies,
)
from gptcore.errors import UserError
from gptcore.wording import pluralise

if TYPE_CHECKING:
    import numpy as np

    from gptcore.data.parts import Parts

SHARES = (1 - VALIDATION_FRACTION - TEST_FRACTION, VALIDATION_FRACTION, TEST_FRACTION)


def cut(
    name: str,
    labels: np.ndarray,
    label_names: tuple[str, ...],
    given: Sequence[str] | None,
    seed: int,
    texts: Sequence[str],
    together: Sequence[str] | None = None,
    copies_stay: bool = False,
) -> Cut:
    """Cut N rows into their parts.

    labels: (N,) int64; given: (N,) part of each row, or None for none; texts: (N,), whose copies stay together;
    together: (N,) group of each row, of which no two parts have rows, or None for none; copies_stay: whether given
    parts keep all of their rows, else those of train and validation that repeat a test text are left out, and those of
    train that repeat a validation text. Raises UserError where a part or a class in it would be empty.
    """
    import numpy as np

    if len(label_names) == 1:
        raise UserError(
            f"{name}: all {len(labels)} rows have the label {label_names[0]!r}: "
            "add rows with another label, or name another label column"
        )
    firsts_of = copies(texts)
    left_out = [] if given is None or copies_stay else repeats(firsts_of, given)
    if together is None:
        whole = Together(np.asarray(firsts_of, dtype=np.int64))
    else:
        if given is not None:
            check_whole(name, together, given)
        joined = joined_by(texts, firsts_of, together)
        whole = Together(
            np.asarray(components(firsts_of, together), dtype=np.int64),
            len(set(together)),
            f"{joined}: {PART_THEM}" if joined else "",
        )
    if given is not None:
        return as_given(name, labels, label_names, given, seed, whole, left_out)
    _require_three(name, labels, label_names)
    if whole.n_groups is not None:
        return _grouped(name, labels, label_names, whole, seed)
    firsts = np.unique(whole.first)
    n_copies = len(labels) - len(firsts)
    if not n_copies:
        return Cut(stratified_parts(labels, seed))
    told = pluralise(n_copies, "text repeats", "texts repeat")
    told += " another, but for case and blanks: copies are kept in one part"
    if np.bincount(labels[firsts], minlength=len(label_names)).min() < len(NAMES):
        # Texts under several labels count for the first one above; whole texts may still give each part each class.
        return Cut(_whole_texts(name, labels, label_names, whole.first, seed), notes=(told,))
    parts = tuple(firsts[part] for part in stratified_parts(labels[firsts], seed))
    return Cut(with_copies(parts, whole.first), notes=(told,))


def _whole_texts(
    name: str, labels: np.ndarray, label_names: tuple[str, ...], firsts: np.ndarray, seed: int
) -> Parts:
    """Texts whole, whatever their labels. Raises UserError where a class stands in too few of them."""
    parts, missing = _parts_and_missing(labels, label_names, firsts, seed)
    if missing is not None:
        _, label = missing
        n = len(set(firsts[labels == label].tolist()))
        raise UserError(
            f"{name}: label {label_names[label]!r} has {pluralise(n, 'different text')}, too few for train, "
            "validation and test to have their own: add rows, remove the label, or name another label column"
        )
    return parts


def _grouped(name: str, labels: np.ndarray, label_names: tuple[str, ...], whole: Together, seed: int) -> Cut:
    """Groups whole. Raises UserError where a class stands in too few of them."""
    parts, missing = _parts_and_missing(labels, label_names, whole.first, seed)
    if missing is not None:
        part, label = missing
        n = len(set(whole.first[labels == label].tolist()))
        raise UserError(
            f"{name}: no {part} row would have the label {label_names[label]!r}, whose rows stand in {n:,} of "
            f"{whole.n_groups:,} groups that stay whole{whole.because}: add groups, or leave out --group-column"
        )
    shown = ", ".join(f"{len(rows) / len(labels):.0%}" for rows in parts)
    told = f"{whole.n_groups:,} groups stay whole: {shown} of the rows train, validate and test"
    return Cut(parts, notes=(told, *filter(None, [whole.joined])))


def _parts_and_missing(
    labels: np.ndarray, label_names: tuple[str, ...], firsts: np.ndarray, seed: int
) -> tuple[Parts, tuple[str, int] | None]:
    """Parts of whole groups, and the first part without a row of some class, with that class; None where there is none.

    labels: (N,) int64; firsts: (N,) the first row that each stays with.
    """
    import numpy as np

    train, validation, test = grouped_parts(labels, firsts, SHARES, np.random.RandomState(seed))
    parts = train, validation, test
    for part, rows in zip(NAMES, parts, strict=True):
        if missing := missing_classes(labels[rows], label_names):
            return parts, (part, missing[0])
    return parts, None


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
