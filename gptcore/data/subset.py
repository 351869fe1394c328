"""The first N texts of a split: every class in proportion, and smaller sets within larger ones."""

from __future__ import annotations

from dataclasses import replace

from gptcore.data.datasets import Dataset, Split
from gptcore.data.nested import nested_order
from gptcore.errors import UserError


def first_texts(split: Split, n: int) -> Split:
    """The first n texts of `nested_order`, in the order of the split."""
    import numpy as np

    chosen = np.sort(nested_order(split.labels)[:n])
    labels = split.labels[chosen]
    labels.setflags(write=False)
    rows = None if split.rows is None else split.rows[chosen]
    return Split(tuple(split.texts[at] for at in chosen), labels, rows)


def with_train_size(data: Dataset, n: int | None) -> Dataset:
    """The dataset with n of its training texts; None: as it is. Fingerprints stay those of the whole.

    Raises UserError where there are not as many, or where a class would be left without any.
    """
    if n is None:
        return data
    if n > len(data.train):
        raise UserError(
            f"train_size = {n:,}: the training part of {data.name} has {len(data.train):,} texts: use that or less"
        )
    n_classes = len(set(data.train.labels.tolist()))
    if n < n_classes:
        raise UserError(
            f"train_size = {n}: the training part of {data.name} has {n_classes} classes: use one text of each or more"
        )
    return data if n == len(data.train) else replace(data, train=first_texts(data.train, n))
