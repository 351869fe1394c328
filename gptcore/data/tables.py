"""A user's own labelled texts: CSV, TSV, JSON Lines and Parquet files, checked row by row, nothing changed.

Every cell is kept verbatim: "NA" and "null" are texts and labels like any other. Whatever is wrong with a
file ends in a UserError that names the file, the line as an editor counts it, and the remedy.
"""

import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gptcore.errors import UserError

TEXT_COLUMNS = ("text", "sentence", "content", "message", "body", "review", "comment", "document", "tweet")
LABEL_COLUMNS = ("label", "class", "category", "target", "labels", "sentiment", "topic", "intent")
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_FIELD_LIMIT = 2**31 - 1  # characters; the most that the csv module takes on every platform

Choice = tuple[str, str]  # names of the text and the label column
Cells = list[tuple[int, object, object]]  # line (Parquet: row) number from 1, text, label


@dataclass(frozen=True)
class Table:
    """Labelled texts in file order, with remarks on the file that a reader of the results should know."""

    texts: list[str]
    labels: list[str]
    notes: tuple[str, ...] = ()


def read_table(path: Path, text_column: str | None = None, label_column: str | None = None) -> Table:
    """Read a file by its suffix (SUFFIXES; all but Parquet also with `.gz`), by named or obvious columns.

    Raises UserError for a file, column or row that cannot be used.
    """
    suffix = next((s for s in reversed(path.suffixes) if s.lower() != ".gz"), "").lower()
    gzipped = path.suffix.lower() == ".gz"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder: name a file in it") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if suffix not in SUFFIXES or (gzipped and suffix == ".parquet"):
        known = ", ".join(SUFFIXES)
        raise UserError(f"{path}: cannot tell the format by the suffix: rename it to one of {known}")

    def choose(columns: list[str]) -> Choice:
        text = _choose_column(path, columns, "text", text_column, TEXT_COLUMNS)
        label = _choose_column(path, columns, "label", label_column, LABEL_COLUMNS)
        if text == label:
            raise UserError(f"{path}: column {text!r} is named for both the text and the label")
        return text, label

    if suffix == ".parquet":
        return _checked(path, "row", _read_parquet(path, content, choose))
    text = _decode(path, _unzip(path, content) if gzipped else content)
    if not text.strip():
        raise UserError(f"{path} is empty: it needs a text and a label for every example")
    if suffix in (".jsonl", ".ndjson"):
        return _checked(path, "line", _read_jsonl(path, text, choose))
    return _checked(path, "line", _read_csv(path, text, "\t" if suffix == ".tsv" else ",", choose))


def _unzip(path: Path, content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a whole gzip file ({error}): compress it again") from error


def _decode(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line}: byte {error.start} (0x{content[error.start]:02x}) is not UTF-8: "
            "save the file as UTF-8"
        ) from None


def _choose_column(
    path: Path, columns: list[str], role: str, name: str | None, usual: tuple[str, ...]
) -> str:
    """The one column with the given name, or else the only one with a name that is usual for its role."""
    there = ", ".join(repr(c if len(c) <= 40 else c[:39] + "…") for c in columns)
    remedy = f"name the {role} column with --{role}-column; the columns are {there}"
    if len(columns) == 1:
        remedy += " (only one: is the first line a header, and does the separator fit the suffix?)"
    if name is None:
        found = [c for c in columns if c.strip().lower() in usual]
        problem = "no" if not found else "more than one"
        if len(found) != 1:
            raise UserError(f"{path}: {problem} column is obviously the {role}: {remedy}")
        return found[0]
    if columns.count(name) != 1:
        problem = "more than one" if name in columns else "no"
        raise UserError(f"{path}: {problem} column {name!r}: {remedy}")
    return name


@contextmanager
def _long_fields() -> Iterator[None]:
    """Lift the csv module's process-wide limit of 131,072 characters a field, for a while."""
    before = csv.field_size_limit(_FIELD_LIMIT)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _read_csv(path: Path, text: str, separator: str, choose: Callable[[list[str]], Choice]) -> Cells:
    """Rows below a header line, quoted as in RFC 4180: a file that breaks its rules is refused."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records: list[tuple[int, list[str]]] = []
    start = 1
    try:
        with _long_fields():
            for record in reader:
                if record:  # a blank line is no row
                    records.append((start, record))
                start = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{path}, line {start}: {error}: put a field that begins with a double quote, or holds "
            'the separator or a line break, in double quotes, and each double quote inside it twice ("")'
        ) from error
    (_, header), rows = records[0], records[1:]
    text_at, label_at = map(header.index, choose(header))
    uneven = [(line, len(record)) for line, record in rows if len(record) != len(header)]
    if uneven:
        line, count = uneven[0]
        raise UserError(
            f"{path}, line {line}: {count} fields where the header has {len(header)}{_and_more(uneven)}: "
            "put a field that holds the separator in double quotes"
        )
    return [(line, record[text_at], record[label_at]) for line, record in rows]


def _read_jsonl(path: Path, text: str, choose: Callable[[list[str]], Choice]) -> Cells:
    """One JSON object a line; a key that a line lacks counts as null."""
    objects: list[tuple[int, dict[str, object]]] = []
    for line, source in enumerate(text.split("\n"), start=1):  # not splitlines: JSON strings may hold U+2028
        if not source.strip():
            continue
        try:
            value = json.loads(source)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {line}: not JSON ({error}): write one object a line") from error
        if not isinstance(value, dict):
            raise UserError(f"{path}, line {line}: not a JSON object: write one object a line")
        objects.append((line, value))
    text_column, label_column = choose(list(dict.fromkeys(key for _, value in objects for key in value)))
    return [(line, value.get(text_column), value.get(label_column)) for line, value in objects]


def _read_parquet(path: Path, content: bytes, choose: Callable[[list[str]], Choice]) -> Cells:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(f"{path}: reading Parquet needs pyarrow: pip install pyarrow") from None
    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
        text_column, label_column = choose(file.schema_arrow.names)
        table = file.read(columns=[text_column, label_column])
        texts, labels = (table.column(name).to_pylist() for name in (text_column, label_column))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())  # Arrow's messages have several lines
        raise UserError(f"{path} is not a Parquet file that can be read: {reason}") from error
    return [(row, text, label) for row, (text, label) in enumerate(zip(texts, labels, strict=True), start=1)]


def _checked(path: Path, unit: str, cells: Cells) -> Table:
    """The table, once every text and label is known to be usable."""
    if not cells:
        raise UserError(f"{path} has no rows below its header: it needs a text and a label for every example")
    table = Table([], [], _notes(unit, cells))
    problems: list[tuple[int, str]] = []
    for number, text, label in cells:
        label_name = _label_name(label)
        problem = _text_problem(text) or _label_problem(label_name)
        if problem is not None:
            problems.append((number, problem))
        else:
            table.texts.append(str(text))
            table.labels.append(str(label_name))
    if problems:
        number, problem = problems[0]
        same = [n for n, p in problems if p == problem]
        raise UserError(f"{path}, {unit} {number}: {problem}{_and_more(same)}: mend or remove it")
    return table


def _label_name(label: object) -> str | None:
    """A label as text: strings as they are, numbers and booleans as in JSON, null empty, all else None."""
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return ""
    if isinstance(label, bool):
        return str(label).lower()
    return str(label) if isinstance(label, str | int | float) else None


def _text_problem(text: object) -> str | None:
    if text is None or (isinstance(text, str) and not text.strip()):
        return "the text is empty"
    if not isinstance(text, str):
        return f"the text is not a string but {type(text).__name__}"
    return None if _is_unicode(text) else "the text holds a lone surrogate, which is not Unicode text"


def _label_problem(name: str | None) -> str | None:
    if name is None:
        return "the label is neither a string nor a number"
    if not name.strip():
        return "the label is missing"
    return None if _is_unicode(name) else "the label holds a lone surrogate, which is not Unicode text"


def _is_unicode(text: str) -> bool:
    """False for what only JSON's escapes can bring in: half of a surrogate pair, which no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _notes(unit: str, cells: Cells) -> tuple[str, ...]:
    """A double quote left open swallows lines yet breaks no rule, so texts of several lines are told."""
    long = [number for number, text, _ in cells if isinstance(text, str) and "\n" in text]
    if not long:
        return ()
    return (f"{len(long)} texts hold line breaks, the first at {unit} {long[0]}",)


def _and_more(rows: list) -> str:
    return f" (and {len(rows) - 1} more like it)" if len(rows) > 1 else ""
