"""Whether the data has what the rows and seeds of a study need. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.records.study import Row
from gptcore.data.datasets import Dataset
from gptcore.data.subset import with_train_size
from gptcore.errors import UserError
from gptcore.training.class_weight import check_class_weight


def check_varies(data: Dataset, vary: Sequence[Sequence[str]]) -> None:
    """Raises UserError for seeds of the split alone where every part is given: their runs would be equal."""
    if "validation" in data.given and ("split",) in vary:
        raise UserError(
            "--vary split: train, validation and test rows are given, so nothing would vary: leave it out"
        )


def check_training_parts(rows: Iterable[Row], data: Dataset) -> None:
    """Raises UserError for a row that asks for more training texts than there are, for fewer than classes, or for
    weights of classes that have none."""
    for row in rows:
        if not row.excluded:
            try:
                check_class_weight(row.recipe, with_train_size(data, row.recipe.train_size))
            except UserError as error:
                raise UserError(f"row {row.name!r}: {error}") from error
