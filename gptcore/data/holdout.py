"""Data for choosing values before a study: its test part stays unseen, whatever the choice tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gptcore.data.datasets import Dataset
from gptcore.errors import UserError

if TYPE_CHECKING:
    import numpy as np


def without_test(data: Dataset, split_seeds: Sequence[int]) -> Dataset:
    """The data with the validation part in the place of the test part, for each of the split seeds.

    So nothing that is fitted on it can have seen a test text. Raises UserError for a split whose train or validation
    rows are test rows of `data`.
    """
    hidden = data.test.rows
    found: dict[int, Dataset] = {}
    for seed in split_seeds:
        split = data.with_split(seed)
        check_unseen(split, hidden)
        found[seed] = replace(split, test=split.validation, source=None, split_seed=seed, _others=found)
    return found[split_seeds[0]]


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
