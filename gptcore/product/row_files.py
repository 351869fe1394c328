"""Files of texts that are read row by row and written back with more columns: CSV, TSV and JSON Lines.

A file is gone through once before it is used: so what is wrong with it is known before anything expensive, and its
number of rows too. Memory holds one row at a time.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from gptcore.data.checks import text_problem
from gptcore.data.columns import RawTable, choose_texts, has_obvious_text
from gptcore.data.delimited import QUOTING_REMEDY, long_fields, separator_of
from gptcore.data.files import KINDS, encoding_of
from gptcore.data.options import ReadOptions
from gptcore.data.structured import json_object
from gptcore.data.tables import joined_cells
from gptcore.errors import UserError

# Of files that are read row by row; a .json file may be one array, and Parquet is stored by column
ROW_SUFFIXES = tuple(suffix for suffix, kind in KINDS.items() if kind != "parquet" and suffix != ".json")
ROW_SUFFIXES_SHOWN = f"{', '.join(ROW_SUFFIXES[:-1])} or {ROW_SUFFIXES[-1]}"


@dataclass(frozen=True)
class Row:
    """A text, and the row that it stands in: a line of JSON, or fields."""

    text: str
    source: Any


class RowFile(Protocol):
    """A file that has been gone through. n_rows: without a header; digest: SHA-256 (hex) of its bytes."""

    @property
    def n_rows(self) -> int: ...
    @property
    def digest(self) -> str: ...
    @property
    def columns(self) -> Sequence[str]: ...
    def rows(self) -> Iterator[Row]:
        """Every row in order."""

    def header(self, more: Sequence[str]) -> str:
        """What an output begins with that has more columns; "" where there is no header."""

    def line(self, row: Row, more: Mapping[str, object]) -> str:
        """A row with more columns, as it was otherwise."""


def open_rows(path: Path, options: ReadOptions) -> RowFile:
    """Go through a file. Raises UserError with the line that is wrong, and for a file that is not of these kinds."""
    if path.suffix.lower() not in ROW_SUFFIXES:
        raise UserError(
            f"{path}: it is read row by row, so it must be {ROW_SUFFIXES_SHOWN}: unpack or convert it"
        )
    kind = KINDS[path.suffix.lower()]
    encoding = encoding_of(path, options.encoding)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found = (
            _open_json(path, encoding, options, digest)
            if kind == "json"
            else _open_delimited(path, encoding, "\t" if kind == "tsv" else ",", options, digest)
        )
    except UnicodeError as error:
        raise UserError(
            f"{path} is not {encoding.upper()} ({error}): name the file's encoding with --encoding"
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not found.n_rows:
        raise UserError(f"{path} has no rows")
    return found


@dataclass(frozen=True)
class _Delimited:
    path: Path
    encoding: str
    separator: str
    quoting: int
    has_header: bool
    columns: Sequence[str]
    texts: tuple[int, ...] = ()
    n_rows: int = 0
    digest: str = ""

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Line and fields of each row. Raises UserError for a row with too few or too many, or that cannot be read."""
        width = len(self.columns)
        with self.path.open(encoding=self.encoding, newline="") as file, long_fields():
            reader = csv.reader(file, delimiter=self.separator, strict=True, quoting=self.quoting)  # type: ignore[arg-type]
            begins, is_header = 1, self.has_header
            while True:
                try:
                    fields = next(reader, None)
                except csv.Error as error:
                    raise UserError(f"{self.path}, line {begins}: {error}: {QUOTING_REMEDY}") from error
                if fields is None:
                    return
                if fields and not is_header:
                    if len(fields) != width:
                        raise UserError(
                            f"{self.path}, line {begins}: {len(fields)} fields where the first line has {width}: put a "
                            "field that holds the separator in double quotes, or complete the row"
                        )
                    yield begins, fields
                is_header = is_header and not fields
                begins = reader.line_num + 1

    def rows(self) -> Iterator[Row]:
        for _, fields in self.records():
            yield Row(str(joined_cells(tuple(fields[at] for at in self.texts))), fields)

    def header(self, more: Sequence[str]) -> str:
        return self._written([*self.columns, *more]) if self.has_header else ""

    def line(self, row: Row, more: Mapping[str, object]) -> str:
        return self._written([*row.source, *map(str, more.values())])

    def _written(self, fields: Sequence[str]) -> str:
        if self.quoting == csv.QUOTE_NONE:
            return self.separator.join(fields) + "\n"
        buffer = io.StringIO(newline="")
        csv.writer(buffer, delimiter=self.separator, lineterminator="\n").writerow(fields)
        return buffer.getvalue()


def _open_delimited(path: Path, encoding: str, usual: str, options: ReadOptions, digest: str) -> _Delimited:
    with path.open(encoding=encoding, newline="") as file:
        first = file.readline().rstrip("\r\n")
    separator = options.separator or (
        separator_of(first, usual, has_obvious_text)[0] if options.header else usual
    )
    found = _Delimited(path, encoding, separator, csv.QUOTE_MINIMAL, False, ())
    failure: UserError | None = None
    try:
        found = _gone_through(found, options)
        if separator != "\t" or not found_line_breaks(found):
            return replace(found, digest=digest)
    except UserError as error:
        if separator != "\t":
            raise
        failure = error
    try:  # as training data: quotes of a TAB-separated file are text where that is what fits
        verbatim = _Delimited(path, encoding, separator, csv.QUOTE_NONE, False, ())
        return replace(_gone_through(verbatim, options), digest=digest)
    except UserError as error:
        if failure is None:
            return replace(found, digest=digest)
        raise failure from error


def found_line_breaks(file: _Delimited) -> bool:
    """Whether any text has a line break in it."""
    return any("\n" in field for _, fields in file.records() for field in fields)


def _gone_through(file: _Delimited, options: ReadOptions) -> _Delimited:
    """The file with its columns and its number of rows, once every row is known to be whole."""
    with file.path.open(encoding=file.encoding, newline="") as opened, long_fields():
        try:
            reader = csv.reader(opened, delimiter=file.separator, strict=True, quoting=file.quoting)  # type: ignore[arg-type]
            first = next((fields for fields in reader if fields), [])
        except csv.Error as error:
            raise UserError(f"{file.path}, line 1: {error}: {QUOTING_REMEDY}") from error
    columns = first if options.header else [str(number) for number in range(1, len(first) + 1)]
    table = RawTable(list(columns), (), lambda _: [], "line", separator=file.separator)
    file = replace(file, columns=columns, has_header=options.header)
    file = replace(file, texts=choose_texts(file.path, table, options))
    return replace(file, n_rows=sum(1 for _ in file.records()))


@dataclass(frozen=True)
class _JsonLines:
    path: Path
    encoding: str
    columns: Sequence[str]
    texts: tuple[str, ...]
    n_rows: int = 0
    digest: str = ""

    def rows(self) -> Iterator[Row]:
        with self.path.open(encoding=self.encoding, newline="\n") as file:
            for number, source in enumerate(file, start=1):
                if source.strip():
                    yield Row(self._text(number, json_object(self.path, number, source)), source)

    def _text(self, number: int, value: Mapping[str, Any]) -> str:
        for name in self.texts:
            if name not in value:
                raise UserError(f"{self.path}, line {number}: no key {name!r}, which holds the text")
        text = joined_cells(tuple(value[name] for name in self.texts))
        if text is not None and not isinstance(text, str):
            raise UserError(f"{self.path}, line {number}: {text_problem(text)}")
        return text or ""

    def header(self, more: Sequence[str]) -> str:  # noqa: ARG002
        return ""

    def line(self, row: Row, more: Mapping[str, object]) -> str:
        # The row's own text is kept, so that no number is written in another way.
        rest = json.dumps(more, ensure_ascii=False)
        return f"{row.source.rstrip()[:-1].rstrip()}, {rest[1:]}\n"


def _open_json(path: Path, encoding: str, options: ReadOptions, digest: str) -> _JsonLines:
    columns: dict[str, None] = {}
    with path.open(encoding=encoding, newline="\n") as file:
        for number, source in enumerate(file, start=1):
            if source.strip():
                columns |= dict.fromkeys(json_object(path, number, source))
    table = RawTable(list(columns), (), lambda _: [], "line")
    texts = tuple(table.columns[at] for at in choose_texts(path, table, options))
    found = _JsonLines(path, encoding, tuple(columns), texts, digest=digest)
    return replace(found, n_rows=sum(1 for _ in found.rows()))
