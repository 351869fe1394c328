"""Data for choosing values or recipes: the test part stays unseen, whatever the choice tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gptcore.data.checks import normalised
from gptcore.data.datasets import Dataset, Split, split_source
from gptcore.data.source import Source
from gptcore.errors import UserError

if TYPE_CHECKING:
    import numpy as np


def without_test(data: Dataset, split_seeds: Sequence[int]) -> Dataset:
    """The data with the validation part in the place of the test part, for each of the split seeds.

    So nothing that is fitted on it can have seen a test text: texts of train and validation that a test text repeats,
    but for case and blanks, are left out. Raises UserError for a split whose train or validation rows are test rows of
    `data`, and where a part or a class of the training part would be empty.
    """
    hidden = {normalised(text) for text in data.test.texts}
    found: dict[int, Dataset] = {}
    for seed in split_seeds:
        split = data.with_split(seed)
        check_unseen(split, data.test.rows)
        train, validation = (_without(part, hidden) for part in (split.train, split.validation))
        if not len(validation) or set(train.labels.tolist()) != set(split.train.labels.tolist()):
            raise UserError(
                f"{data.name}: without the texts that its test part repeats too few are left to choose values on: "
                "remove copies from the data, or add --tune off"
            )
        found[seed] = replace(
            split,
            train=train,
            validation=validation,
            test=validation,
            source=None,
            split_seed=seed,
            _others=found,
        )
    return found[split_seeds[0]]


def development(data: Dataset) -> Dataset:
    """The rows outside the test part as a data set of its own: each seed splits them into train, validation and test.

    So no seed can show a test text to what is fitted, compared or chosen on it: texts that a test text repeats, but for
    case and blanks, are left out. Raises UserError where too few are left of a class.
    """
    hidden = {normalised(text) for text in data.test.texts}
    parts = [_without(part, hidden) for part in (data.train, data.validation)]
    source = Source(
        data.name,
        texts=[text for part in parts for text in part.texts],
        labels=[data.label_names[label] for part in parts for label in part.labels.tolist()],
        label_names=data.label_names,
        groups=_groups_of(data, parts),
    )
    return split_source(source, data.split_seed)


def _groups_of(data: Dataset, parts: Sequence[Split]) -> list[str] | None:
    """The group of each row of these parts, where the data has groups. Raises UserError where it is not known."""
    if data.source is None or data.source.groups is None:
        return None
    if any(part.rows is None for part in parts):
        raise UserError(f"{data.name}: its rows are not known, so its groups cannot be kept together")
    return [data.source.groups[row] for part in parts if part.rows is not None for row in part.rows]


def check_apart(data: Dataset, test: Split) -> None:
    """Raises UserError where a text of `data`, whatever its part, is a test text, but for case and blanks."""
    hidden = {normalised(text) for text in test.texts}
    parts = (data.train, data.validation, data.test)
    if n := sum(normalised(text) in hidden for part in parts for text in part.texts):
        raise UserError(
            f"{data.name}: {n} test texts are among those that a recipe would be chosen on: a fault of the split"
        )


def check_unseen(split: Dataset, test_rows: np.ndarray | None) -> None:
    """Raises UserError where a row of train or validation is one of the test rows, or where that cannot be known."""
    import numpy as np

    seen = [part.rows for part in (split.train, split.validation)]
    if test_rows is None or any(rows is None for rows in seen):
        raise UserError(
            f"{split.name}: its rows are not known, so values cannot be chosen apart from its test part"
        )
    both = np.intersect1d(np.concatenate([rows for rows in seen if rows is not None]), test_rows)
    if len(both):
        raise UserError(
            f"{split.name}: {len(both)} test rows are among those that values would be chosen on: a fault of the split"
        )


def _without(part: Split, hidden: set[str]) -> Split:
    """The texts of a part that are not among those (normalised) ones."""
    import numpy as np

    kept = np.array(
        [i for i, text in enumerate(part.texts) if normalised(text) not in hidden], dtype=np.int64
    )
    labels = part.labels[kept]
    labels.setflags(write=False)
    rows = None if part.rows is None else part.rows[kept]
    return Split(tuple(part.texts[i] for i in kept), labels, rows)
