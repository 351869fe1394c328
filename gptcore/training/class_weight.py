"""What each text weighs in the loss, so that small classes count as much as large ones. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.recipe import Recipe

ClassWeight = Literal["balanced"]


def check_class_weight(recipe: Recipe, data: Dataset) -> None:
    """Raises UserError for a recipe with class weights where a class has no training text, which has no weight.

    data: with the training texts that the recipe uses.
    """
    if recipe.class_weight is None:
        return
    counts = np.bincount(data.train.labels, minlength=len(data.label_names))
    if missing := [name for name, n in zip(data.label_names, counts, strict=True) if n == 0]:
        raise UserError(
            f"class_weight = {recipe.class_weight!r}: the training part of {data.name} has no text of class "
            f"{missing[0]!r}: add some, or leave class_weight out"
        )


def text_weights(
    class_weight: ClassWeight | None, train_labels: np.ndarray, *parts: np.ndarray
) -> Sequence[np.ndarray] | Sequence[None]:
    """For the labels (N,) of each part what its texts weigh, (N,) float64; None where all weigh the same.

    A class of `count` of the n training texts, one of k classes, weighs n / (k * count), as scikit-learn's
    class_weight="balanced". A class that only other parts have weighs 1.
    """
    if class_weight is None:
        return [None] * len(parts)
    n_classes = 1 + max(int(labels.max()) for labels in (train_labels, *parts))
    counts = np.bincount(train_labels, minlength=n_classes)
    weights = np.ones(n_classes)
    weights[counts > 0] = len(train_labels) / ((counts > 0).sum() * counts[counts > 0])
    return [weights[labels] for labels in parts]
