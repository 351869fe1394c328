"""Labelled texts in memory as the table that a file would give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gptcore.data.checks import contradictions, label_problem, text_problem
from gptcore.data.labels import label_name, mixed_types_warning
from gptcore.data.tables import Table
from gptcore.errors import UserError

Labelled = tuple[Iterable[str], Iterable[object]]


def table_of(name: str, parts: Mapping[str, Labelled | None]) -> Table:
    """Texts and labels by part: lists, arrays, Series. Without a second part none is given. Raises UserError."""
    texts: list[str] = []
    labels: list[str] = []
    values: list[object] = []
    of_part: list[str] = []
    places: list[tuple[str, str]] = []
    for part, labelled in parts.items():
        if labelled is None:
            continue
        found, cells = _listed(name, part, labelled)
        for at, (text, cell) in enumerate(zip(found, cells, strict=True)):
            label = label_name(cell)
            if problem := text_problem(text) or label_problem(label):
                raise UserError(f"{name}, {part} text {at}: {problem}: fix or remove it")
            texts.append(str(text))
            labels.append(str(label))
            places.append((name, f"{part} text {at}"))
        values += cells
        of_part += [part] * len(found)
    again = contradictions(texts, labels, places.__getitem__)
    return Table(
        texts=texts,
        labels=labels,
        place=places.__getitem__,
        parts=of_part if len(set(of_part)) > 1 else None,
        warnings=(*mixed_types_warning(values), *again),
    )


def _listed(name: str, part: str, labelled: Any) -> tuple[list[Any], list[Any]]:
    """Texts and labels as lists of Python's own types."""
    if not isinstance(labelled, tuple | list) or len(labelled) != 2:
        raise UserError(f"{name}: {part} must be a pair (texts, labels)")
    texts, labels = (_plain(values) for values in labelled)
    if isinstance(labelled[0], str) or not texts:
        raise UserError(f"{name}: {part} needs a list of texts, and at least one")
    if len(texts) != len(labels):
        raise UserError(
            f"{name}: {len(texts):,} {part} texts and {len(labels):,} labels: give one label a text"
        )
    return texts, labels


def _plain(values: Any) -> list[Any]:
    """A list, with NumPy's and pandas' numbers as Python's."""
    if hasattr(values, "tolist"):
        return list(values.tolist())
    return [value.item() if hasattr(value, "item") else value for value in values]
