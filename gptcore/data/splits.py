"""Which rows train, validate and test: cut within each class, or as given. Copies of a text stay together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from gptcore.data.checks import copies, repeats
from gptcore.data.groups import PART_THEM, check_whole, components, grouped_parts, joined_by
from gptcore.errors import UserError
from gptcore.wording import pluralise

if TYPE_CHECKING:
    import numpy as np

    Parts = tuple[np.ndarray, np.ndarray, np.ndarray]  # row numbers of train, validation and test, int64

VALIDATION_FRACTION, TEST_FRACTION = 0.1, 0.2  # of each class, where nothing is given
SHARES = (1 - VALIDATION_FRACTION - TEST_FRACTION, VALIDATION_FRACTION, TEST_FRACTION)
NAMES = ("train", "validation", "test")


class _Together(NamedTuple):
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
        whole = _Together(np.asarray(firsts_of, dtype=np.int64))
    else:
        if given is not None:
            check_whole(name, together, given)
        joined = joined_by(texts, firsts_of, together)
        whole = _Together(
            np.asarray(components(firsts_of, together), dtype=np.int64),
            len(set(together)),
            f"{joined}: {PART_THEM}" if joined else "",
        )
    if given is not None:
        return _as_given(name, labels, label_names, given, seed, whole, left_out)
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


def _grouped(name: str, labels: np.ndarray, label_names: tuple[str, ...], whole: _Together, seed: int) -> Cut:
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
        if missing := _missing(labels[rows], label_names):
            return parts, (part, missing[0])
    return parts, None


def _missing(labels: np.ndarray, label_names: tuple[str, ...]) -> list[int]:
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
    name: str,
    labels: np.ndarray,
    label_names: tuple[str, ...],
    given: Sequence[str],
    seed: int,
    whole: _Together,
    left_out: Sequence[int],
) -> Cut:
    """The parts as given but for rows that are left out; validation rows are cut off train rows where there are none.

    Groups are never divided.
    """
    import numpy as np

    found = np.array(given)
    for part in ("train", "test"):
        if not (found == part).any():
            raise UserError(
                f"{name}: no row is given as {part}: give {part} rows, or no parts at all to have rows split 70/10/20"
            )
    n_of = Counter(found[left_out].tolist())
    has_validation = bool((found == "validation").any())
    found[left_out] = ""
    train, validation, test = (np.flatnonzero(found == part) for part in NAMES)
    repeating = ""
    if left_out:
        shown = " and ".join(f"{n_of[part]:,} {part}" for part in NAMES if n_of[part])
        rows_repeat = "row repeats" if len(left_out) == 1 else "rows repeat"
        repeating = f"{shown} {rows_repeat} a text of a later part, but for case and blanks"
    if has_validation and not len(validation):
        raise UserError(
            f"{name}: no validation row is left, as {repeating}: give other validation rows, or none"
        )
    if missing := _missing(labels[train], label_names):
        n = int((labels[np.isin(found, NAMES[1:])] == missing[0]).sum())
        having = f", which {pluralise(n, 'row of other parts has', 'rows of other parts have')}" if n else ""
        raise UserError(
            f"{name}: no train row has the label {label_names[missing[0]]!r}{having}"
            f"{f' ({repeating}: left out)' if repeating else ''}: add train rows with it, or remove the label"
        )
    notes = (f"{repeating}: left out, so that no text stands in two parts",) if repeating else ()
    random = np.random.RandomState(seed)
    if has_validation:
        # In an order that no seed changes: the same part is the same dataset.
        train = np.random.RandomState(0).permutation(train)
        told = "train, validation and test rows are given: no seed splits them anew"
        return Cut((train, validation, test), NAMES, (told, *notes))
    if whole.n_groups is not None:
        train, validation = _groups_without_validation(name, labels, train, whole, random)
    else:
        train, validation = _without_validation(name, labels, random.permutation(train), whole.first)
    told = (
        f"test rows are given and validation rows are not: {len(validation):,} of the train rows, "
        f"{VALIDATION_FRACTION:.0%} of each class, are cut off for it; seeds of the split change these alone"
    )
    return Cut((train, validation, test), ("test",), (told, *notes))


def _groups_without_validation(
    name: str, labels: np.ndarray, rows: np.ndarray, whole: _Together, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Cut whole groups off train rows. Raises UserError where train would lose a class, or validation be empty."""
    shares = (1 - VALIDATION_FRACTION, VALIDATION_FRACTION)
    train, validation = (
        rows[part] for part in grouped_parts(labels[rows], whole.first[rows], shares, random)
    )
    if not len(validation) or set(labels[train].tolist()) != set(labels[rows].tolist()):
        raise UserError(
            f"{name}: the train rows have too few groups to cut validation rows off{whole.because}: give validation "
            "rows, add groups, or leave out --group-column"
        )
    return train, validation


def _without_validation(
    name: str, labels: np.ndarray, rows: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a part off shuffled train rows, within each class, copies together; a class of one text stays whole."""
    import numpy as np

    firsts = np.sort(np.unique(groups[rows], return_index=True)[1])  # places of each text's first row
    # A text under several labels stays, or its part might be the only one with one of them.
    n_classes = labels.max() + 1
    pairs = np.unique(groups[rows] * n_classes + labels[rows])
    texts, n_labels = np.unique(pairs // n_classes, return_counts=True)
    several = set(texts[n_labels > 1].tolist())
    chosen: list[np.ndarray] = []
    for label in np.unique(labels[rows]):
        places = [at for at in firsts[labels[rows][firsts] == label] if groups[rows[at]] not in several]
        n = min(len(places) - 1, max(1, round(len(places) * VALIDATION_FRACTION)))
        chosen.append(groups[rows[places[: max(0, n)]]])
    is_chosen = np.isin(groups[rows], np.concatenate(chosen))
    if not is_chosen.any():
        raise UserError(
            f"{name}: each class has one train row, so none can be cut off for validation: add train rows"
        )
    return rows[~is_chosen], rows[is_chosen]
