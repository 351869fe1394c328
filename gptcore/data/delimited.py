"""CSV, TSV and other files with one record a line, quoted as in RFC 4180, or with quotes that are only text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gptcore.data.columns import LABEL_COLUMNS, TEXT_COLUMNS, Choice, RawTable, has_obvious_columns
from gptcore.data.options import ReadOptions
from gptcore.errors import UserError
from gptcore.wording import pluralise

_FIELD_LIMIT = 2**31 - 1  # characters; the most that the csv module takes on every platform
_SEPARATORS = (",", ";", "\t", "|")
_SEP_LINE = re.compile(r'"?sep=([^\r\n"])"?\r?(\n|\Z)', re.IGNORECASE)  # Excel's own first line
QUOTING_REMEDY = (
    "put a field that begins with a double quote, or holds the separator or a line break, in double quotes, and "
    'each double quote inside it twice ("")'
)


class _Record(NamedTuple):
    line: int  # where it begins, from 1
    n_lines: int
    fields: list[str]


def read_delimited(path: Path, text: str, separator: str, options: ReadOptions) -> RawTable:
    """The columns of a delimited file; `separator` is what its suffix says. Raises UserError."""
    notes: list[str] = []
    skipped = 0
    if mark := _SEP_LINE.match(text):
        text, separator, skipped = text[mark.end() :], mark[1], 1
        if not text.strip():
            raise UserError(f"{path} has no rows: it needs a text and a label for every example")
    if options.separator is not None:
        separator = options.separator
    elif not skipped and options.header:
        separator, note = separator_of(text, separator)
        notes += note
    records = _records_of(path, text, separator, notes)
    if skipped:
        records = [record._replace(line=record.line + skipped) for record in records]
    return _table(path, records, separator, options, notes)


def separator_of(
    text: str, usual: str, is_header: Callable[[list[str]], bool] = has_obvious_columns
) -> tuple[str, list[str]]:
    """The usual separator, unless the header has its columns with exactly one other, and a remark on that.

    is_header: whether names are those of the columns that are needed.
    """
    line = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    found = [each for each in _SEPARATORS if is_header(_fields(line, each))]
    if usual in found or len(found) != 1:
        return usual, []
    return found[0], [f"columns are separated by {found[0]!r}, not by {usual!r}"]


def _fields(line: str, separator: str) -> list[str]:
    with long_fields():
        return next(csv.reader([line], delimiter=separator), [])


def _records_of(path: Path, text: str, separator: str, notes: list[str]) -> list[_Record]:
    """Records with quotes as quoting; of a TAB-separated file with quotes as text, where that is what fits."""
    failure: UserError | None = None
    try:
        records = _records(path, text, separator, csv.QUOTE_MINIMAL)
        if separator != "\t" or all(record.n_lines == 1 for record in records):
            return records
    except UserError as error:
        if separator != "\t":
            raise
        failure = error
    verbatim = _records(path, text, separator, csv.QUOTE_NONE)
    width = len(verbatim[0].fields)
    uneven = next((record for record in verbatim if len(record.fields) != width), None)
    if width > 1 and uneven is None:
        notes.append("double quotes are read as text: as quoting they would not fit the rows of this file")
        return verbatim
    if failure is None:
        return records
    why = f"line {uneven.line} has {len(uneven.fields)} fields, the first {width}" if uneven else "one column"
    raise UserError(f"{failure}; nor do double quotes fit as text ({why})")


def _records(path: Path, text: str, separator: str, quoting: int) -> list[_Record]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, quoting=quoting)  # type: ignore[arg-type]
    records: list[_Record] = []
    start = 1
    try:
        with long_fields():
            for fields in reader:
                if fields:  # a blank line is not a row
                    records.append(_Record(start, reader.line_num - start + 1, fields))
                start = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {start}: {error}: {QUOTING_REMEDY}") from error
    return records


@contextmanager
def long_fields() -> Iterator[None]:
    """Lift the csv module's process-wide limit of 131,072 characters a field, for a while."""
    before = csv.field_size_limit(_FIELD_LIMIT)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _table(
    path: Path, records: list[_Record], separator: str, options: ReadOptions, notes: list[str]
) -> RawTable:
    first, rows = records[0].fields, records
    columns = [str(number) for number in range(1, len(first) + 1)]
    remedy = f": the first row is {_shown(first)}"
    unnamed = options.text_column is None and options.label_column is None
    choice = _choice_of_two(records) if unnamed else None
    if options.header:
        if choice and not _usual_names(first) and _is_row(records[0], records[1:], choice.label):
            notes.append(
                f"the first line is read as a row, not as a header ({first[choice.label]!r} stands in later rows "
                f"too): labels are in column {choice.label + 1}, texts in column {choice.texts[0] + 1}"
            )
        else:
            columns, rows, choice, remedy = first, records[1:], None, _header_remedy(first)

    def cells(column: int) -> list[object]:
        _refuse_uneven(path, rows, len(columns), "the header" if columns is first else "row 1")
        return [row.fields[column] for row in rows]

    return RawTable(
        columns=columns,
        numbers=[row.line for row in rows],
        cells=cells,
        unit="line",
        spans=[row.n_lines for row in rows],
        separator=separator,
        choice=choice,
        remedy=remedy,
        notes=tuple(notes),
    )


def _usual_names(header: list[str]) -> bool:
    return any(name.strip().lower() in (*TEXT_COLUMNS, *LABEL_COLUMNS) for name in header)


def _header_remedy(header: list[str]) -> str:
    """What may help where the header lacks the usual names."""
    if _usual_names(header):
        return ""
    no_header = (
        "if the first line is a row and not a header, add --no-header and name columns by number from 1"
    )
    if len(header) > 1:
        return f" ({no_header})"
    return f" (only one: name the separator with --separator, or remove lines above the header; {no_header})"


def _shown(fields: list[str]) -> str:
    shown = ", ".join(f"{i} = {cell[:30]!r}" for i, cell in enumerate(fields[:12], start=1))
    return shown + (", …" if len(fields) > 12 else "")


def _choice_of_two(records: list[_Record]) -> Choice | None:
    """Of two columns without names, the label is the one with few values; None where that is not clear."""
    rows = [record.fields for record in records if len(record.fields) == 2]
    if len(records[0].fields) != 2:
        return None
    n_values = [len({row[at] for row in rows}) for at in range(2)]
    label = 0 if n_values[0] < n_values[1] else 1
    few = n_values[label] <= min(len(rows) / 4, n_values[1 - label] / 2)
    return Choice((1 - label,), label) if few else None


def _is_row(record: _Record, others: list[_Record], column: int) -> bool:
    """Whether a cell of the first line stands in a later one again, as a header's would not."""
    return any(column < len(each.fields) and each.fields[column] == record.fields[column] for each in others)


def _refuse_uneven(path: Path, rows: list[_Record], width: int, what: str) -> None:
    uneven = [row for row in rows if len(row.fields) != width]
    if not uneven:
        return
    n, more = len(uneven[0].fields), f" (and {len(uneven) - 1} more like it)" if len(uneven) > 1 else ""
    remedy = (
        "put a field that holds the separator in double quotes"
        if n > width
        else "complete the row, and put a text that holds a line break in double quotes"
    )
    raise UserError(
        f"{path}, line {uneven[0].line}: {pluralise(n, 'field')} where {what} has {width}{more}: {remedy}"
    )
