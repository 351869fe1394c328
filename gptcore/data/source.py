"""Labelled texts before they are split, from a data set with a name or from a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gptcore.data.labels import class_order, class_warnings
from gptcore.data.named.base import NamedData

if TYPE_CHECKING:
    from gptcore.data.parts import Parts
    from gptcore.data.tables import Table


@dataclass(frozen=True, eq=False)
class Source:
    """N labelled texts before they are split; a dataset keeps its own, to be split with other seeds.

    parts: which part each belongs to, where that is given; published: labels and seed -> the parts, where a published
    study says how to cut; groups: of each, whose rows never stand in two parts; limit: training texts that are kept for
    a first look, and the same share of other parts; folds: whether five split seeds in a row test every text once;
    copies_stay: whether rows that repeat a test text train all the same, as in a published split.
    """

    name: str
    texts: Sequence[str]
    labels: Sequence[str]
    label_names: tuple[str, ...]
    parts: Sequence[str] | None = None
    published: Callable[[Sequence[str], int], Parts] | None = None
    limit: int | None = None
    folds: bool = False
    groups: Sequence[str] | None = None
    copies_stay: bool = False
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def named_source(data: NamedData, path: Path | None) -> Source:
    """A data set with a name; path: a copy of one's own. Raises UserError where it cannot be read."""
    from gptcore.data.named.load import load_named

    found = load_named(data, path)
    label_names = data.label_names or tuple(sorted(set(found.labels)))
    once = {name: name for name in label_names}  # one string a class, not one a row
    return Source(
        data.name,
        found.texts,
        [once[label] for label in found.labels],
        label_names,
        parts=found.parts,
        published=data.published,
        notes=found.notes,
    )


def table_source(name: str, table: Table, limit: int | None = None) -> Source:
    """The rows of a table. Raises UserError for labels that cannot be classes."""
    label_names = class_order(table.labels, table.class_names)
    once = {name: name for name in label_names}  # one string a class, not one a row
    return Source(
        name=name,
        texts=table.texts,
        labels=[once[label] for label in table.labels],
        label_names=label_names,
        parts=table.parts,
        groups=table.groups,
        notes=table.notes,
        warnings=(*table.warnings, *class_warnings(table.labels)),
        limit=limit,
    )
