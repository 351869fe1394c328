"""Parts as the data gives them, but for copies of a text in two of them; what is missing is cut off train rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gptcore.data.groups import grouped_parts
from gptcore.data.parts import NAMES, VALIDATION_FRACTION, Cut, Together, missing_classes
from gptcore.errors import UserError
from gptcore.wording import pluralise

if TYPE_CHECKING:
    import numpy as np


def as_given(
    name: str,
    labels: np.ndarray,
    label_names: tuple[str, ...],
    given: Sequence[str],
    seed: int,
    whole: Together,
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
    if missing := missing_classes(labels[train], label_names):
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
    name: str, labels: np.ndarray, rows: np.ndarray, whole: Together, random: np.random.RandomState
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
