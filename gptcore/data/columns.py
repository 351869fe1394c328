"""A file's columns before and after some are chosen for the text, the label and the split."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from gptcore.data.options import ReadOptions
from gptcore.errors import UserError

TEXT_COLUMNS = ("text", "sentence", "content", "message", "body", "review", "comment", "document", "tweet")
LABEL_COLUMNS = ("label", "class", "category", "target", "labels", "sentiment", "topic", "intent")
# Files that many people have, by all their columns with a name: (text, label).
KNOWN_FILES: dict[tuple[str, ...], tuple[str, str]] = {("v1", "v2"): ("v2", "v1")}  # Kaggle's spam.csv
_NAMELESS = re.compile(r"\s*|Unnamed: \d+")  # the second is what pandas calls a column without a name


@dataclass(frozen=True)
class RawTable:
    """What a file holds, in columns, none of them looked at yet.

    numbers: (N,) the line of the file (unit "line") or the row (unit "row") where each record begins, from 1;
    cells: the N cells of the column at an index, as the file has them; raises UserError where the rows do not fit;
    spans: (N,) lines of the file that each record takes; empty where line breaks are written as escapes;
    separator: of a delimited file; choice: the columns, where their content shows them; remedy: what else may help
    where columns are not found; class_names: names of the classes 0, 1, ... that the file has for a column.
    """

    columns: list[str]
    numbers: Sequence[int]
    cells: Callable[[int], list[object]]
    unit: Literal["line", "row"]
    spans: Sequence[int] = ()
    separator: str | None = None
    choice: Choice | None = None
    remedy: str = ""
    notes: tuple[str, ...] = ()
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Choice(NamedTuple):
    """Indices of the chosen columns. run_over: nameless columns behind the text, which belong to it."""

    texts: tuple[int, ...]
    label: int
    split: int | None = None
    run_over: tuple[int, ...] = ()
    group: int | None = None

    @property
    def used(self) -> set[int]:
        """All that is read."""
        found = {*self.texts, self.label, *self.run_over, self.split, self.group}
        return {at for at in found if at is not None}


def choose_columns(path: Path, table: RawTable, options: ReadOptions) -> Choice:
    """The columns that `options` name, else those with usual names. Raises UserError with the names there are."""
    if table.choice is not None and options.text_column is None and options.label_column is None:
        texts, label, run_over = table.choice.texts, table.choice.label, table.choice.run_over
    else:
        texts, label = _texts(path, table, options), _label(path, table, options)
        run_over = _run_over(table, texts[-1])
    if label in texts:
        raise UserError(f"{path}: column {table.columns[label]!r} is named for both the text and the label")
    split = _other(path, table, "split", options.split_column, {*texts, label})
    group = _other(path, table, "group", options.group_column, {*texts, label, split})
    return Choice(texts, label, split, run_over, group)


def choose_texts(path: Path, table: RawTable, options: ReadOptions) -> tuple[int, ...]:
    """The columns of the text alone. Raises UserError, also where the text may run over into nameless columns."""
    texts = _texts(path, table, options)
    if _run_over(table, texts[-1]):
        raise UserError(
            f"{path}: a column without a name stands behind {table.columns[texts[-1]]!r}: name every column, and put a "
            "field that holds the separator in double quotes"
        )
    return texts


def is_nameless(column: str) -> bool:
    """Whether a header leaves a column without a name."""
    return _NAMELESS.fullmatch(column) is not None


def has_obvious_columns(columns: list[str]) -> bool:
    """Whether one column, and only one, is obviously the text, and another one the label."""
    if _known(columns):
        return True
    return all(len(_usual(columns, usual)) == 1 for usual in (TEXT_COLUMNS, LABEL_COLUMNS))


def has_obvious_text(columns: list[str]) -> bool:
    """Whether one column, and only one, is obviously the text."""
    return _known(columns) is not None or len(_usual(columns, TEXT_COLUMNS)) == 1


def _usual(columns: list[str], usual: tuple[str, ...]) -> list[int]:
    return [at for at, column in enumerate(columns) if column.strip().lower() in usual]


def _known(columns: list[str]) -> tuple[str, str] | None:
    return KNOWN_FILES.get(tuple(column for column in columns if not is_nameless(column)))


def _texts(path: Path, table: RawTable, options: ReadOptions) -> tuple[int, ...]:
    name = options.text_column
    if name is None:
        return (_obvious(path, table, "text", TEXT_COLUMNS),)
    if "," not in name or name in table.columns:
        return (_named(path, table, "text", name),)
    names = [part if part in table.columns else part.strip() for part in name.split(",")]
    if len(set(names)) < len(names):
        raise UserError(f"--text-column {name!r}: a column is named twice: name each once")
    return tuple(_named(path, table, "text", part) for part in names)


def _label(path: Path, table: RawTable, options: ReadOptions) -> int:
    if options.label_column is None:
        return _obvious(path, table, "label", LABEL_COLUMNS)
    return _named(path, table, "label", options.label_column)


def _obvious(path: Path, table: RawTable, role: Literal["text", "label"], usual: tuple[str, ...]) -> int:
    if known := _known(table.columns):
        return table.columns.index(known[0 if role == "text" else 1])
    found = _usual(table.columns, usual)
    if len(found) != 1:
        problem = "no" if not found else "more than one"
        raise UserError(f"{path}: {problem} column is obviously the {role}: {_remedy(table, role)}")
    return found[0]


def _other(
    path: Path, table: RawTable, role: str, name: str | None, taken: set[int] | set[int | None]
) -> int | None:
    """The column that an option names, if it does, which nothing else may be read from."""
    if name is None:
        return None
    if (found := _named(path, table, role, name)) in taken:
        raise UserError(f"{path}: column {name!r} is named for the {role} and for something else")
    return found


def _named(path: Path, table: RawTable, role: str, name: str) -> int:
    if table.columns.count(name) != 1:
        problem = "more than one" if name in table.columns else "no"
        raise UserError(f"{path}: {problem} column {name!r}: {_nearest(table, name)}{_remedy(table, role)}")
    return table.columns.index(name)


def _nearest(table: RawTable, name: str) -> str:
    """The column that is most like a name, in whatever case, as a question; "" where the name is there or none is."""
    by_spelling = {column.strip().casefold(): column for column in table.columns if not is_nameless(column)}
    close = difflib.get_close_matches(name.strip().casefold(), by_spelling, n=1)
    return f"did you mean {_cut(by_spelling[close[0]])!r}? " if close and name not in table.columns else ""


def _remedy(table: RawTable, role: str) -> str:
    more = ", …" if len(table.columns) > 12 else ""
    there = ", ".join(repr(_cut(column)) for column in table.columns[:12]) + more
    return f"name the {role} column with --{role}-column; the columns are {there}{table.remedy}"


def _cut(column: str) -> str:
    return column if len(column) <= 40 else column[:39] + "…"


def _run_over(table: RawTable, text: int) -> tuple[int, ...]:
    """Columns without a name right behind the text: unquoted separators in a text push its rest into them."""
    if table.separator is None:
        return ()
    columns: list[int] = []
    for at in range(text + 1, len(table.columns)):
        if not is_nameless(table.columns[at]):
            break
        columns.append(at)
    return tuple(columns)
