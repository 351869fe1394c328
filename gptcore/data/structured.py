"""JSON (lines, arrays, wrapped arrays) and Parquet files as tables of columns."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from gptcore.data.columns import RawTable
from gptcore.errors import UserError

_JSON_REMEDY = "write one object a line, or an array of objects"


def read_json(path: Path, text: str) -> RawTable:
    """One object a line, an array of objects, or an object with one such array in it, as {"data": [...]}.

    A key that an object lacks counts as null. Raises UserError.
    """
    whole = _document(path, text)
    if whole is None:
        return _of_objects(_lines(path, text), "line")
    key, items = whole
    for row, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise UserError(f"{path}, row {row}: not a JSON object: {_JSON_REMEDY}")
    if not items:
        raise UserError(f"{path} has no rows: it needs a text and a label for every example")
    notes = () if key is None else (f"rows are those under the key {key!r}",)
    return _of_objects(list(enumerate(items, start=1)), "row", notes)


def _of_objects(
    objects: list[tuple[int, dict[str, Any]]], unit: Any, notes: tuple[str, ...] = ()
) -> RawTable:
    columns = list(dict.fromkeys(key for _, value in objects for key in value))
    return RawTable(
        columns=columns,
        numbers=[number for number, _ in objects],
        cells=lambda column: [value.get(columns[column]) for _, value in objects],
        unit=unit,
        notes=notes,
    )


def _document(path: Path, text: str) -> tuple[str | None, list[Any]] | None:
    """The rows of a file that is one JSON value, and the key they stand under; None where each line is a value."""
    begins = text.lstrip()
    if begins.startswith("["):
        return None, _whole(path, text)
    if not begins.startswith("{"):
        return None
    first, _, rest = begins.partition("\n")
    try:
        value, spread = _loads(first), False
    except (ValueError, RecursionError):
        try:
            value, spread = _loads(text), True
        except (ValueError, RecursionError):
            return None
    if rest.strip() and not spread:
        return None
    lists = [key for key, item in value.items() if isinstance(item, list) and item and _all_objects(item)]
    if len(lists) == 1:
        return lists[0], value[lists[0]]
    if not spread:
        return None  # a file of one line
    raise UserError(
        f"{path} is one JSON object without an array of rows in it: {_JSON_REMEDY} "
        "(pandas: to_json(path, orient='records'))"
    )


def _all_objects(items: list[Any]) -> bool:
    return all(isinstance(item, dict) for item in items)


def _whole(path: Path, text: str) -> Any:
    try:
        return _loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}): {_JSON_REMEDY}") from error


def _lines(path: Path, text: str) -> list[tuple[int, dict[str, Any]]]:
    # not splitlines: JSON strings may hold U+2028
    lines = enumerate(text.split("\n"), start=1)
    return [(line, json_object(path, line, source)) for line, source in lines if source.strip()]


def json_object(path: Path, line: int, source: str) -> dict[str, Any]:
    """The object in one line of a file. Raises UserError where it is something else, or has a key twice."""
    try:
        value = _loads(source)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}, line {line}: not JSON ({error}): {_JSON_REMEDY}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}, line {line}: not a JSON object: {_JSON_REMEDY}")
    return value


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique, parse_float=_number)


def _number(text: str) -> float | str:
    """A number with a fraction or an exponent; as it is written where a float64 would be another number.

    So labels that differ stay different, however long or large they are.
    """
    value = float(text)
    return value if Decimal(repr(value)) == Decimal(text) else text


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all there once; Python would keep the last of two."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def read_parquet(path: Path, data: bytes) -> RawTable:
    """A Parquet file's columns, each read when asked for, and the class names of `datasets`. Raises UserError."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UserError(f"{path}: reading Parquet needs pyarrow: pip install pyarrow") from None

    def broken(error: Exception) -> UserError:
        reason = " ".join(str(error).split())  # Arrow's messages have several lines
        return UserError(f"{path} is not a Parquet file that can be read: {reason}")

    problems = (pyarrow.ArrowException, OSError, ValueError, KeyError, OverflowError)
    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
        columns, schema = list(file.schema_arrow.names), file.schema_arrow
        n_rows = file.metadata.num_rows
    except problems as error:
        raise broken(error) from error

    def cells(column: int) -> list[object]:
        try:
            return list(file.read(columns=[columns[column]]).column(columns[column]).to_pylist())
        except problems as error:
            raise broken(error) from error

    return RawTable(
        columns=columns,
        numbers=range(1, n_rows + 1),
        cells=cells,
        unit="row",
        class_names=_class_names(schema.metadata or {}),
    )


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Names of the classes 0, 1, ... by column, where `datasets` wrote them into the schema."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        kinds = [(str(column), feature) for column, feature in features.items() if isinstance(feature, dict)]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for column, feature in kinds:
        names = feature.get("names")
        if feature.get("_type") == "ClassLabel" and isinstance(names, list) and names:
            found[column] = tuple(str(name) for name in names)
    return found
