"""Every table that can be judged: those that ship with the project by name, and one's own TOML or CSV files."""

from __future__ import annotations

import csv
import tomllib
from decimal import Decimal, InvalidOperation
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bench.published.figures import MOST_ITEMS, UNKNOWN, Column, FigureTable, Row, TableClaim, TableErratum
from bench.published.table import FOLDER, PublishedTable, load_table, tables
from gptcore.errors import UserError, closest, first_problem
from gptcore.paths import path_kind

FILE = "table.toml"
_PARTS: dict[str, type[BaseModel]] = {
    "columns": Column,
    "rows": Row,
    "claim": TableClaim,
    "erratum": TableErratum,
}
_REQUIRED = ("row", "figure", "n")
_OPTIONAL = ("column", "metric", "seeds", "scatter")
_REMEDIES = {
    "n": f'give the number of test items, or n = "{UNKNOWN}"',
    "seeds": f'give the number of runs behind each figure, or seeds = "{UNKNOWN}"',
    "columns": "add a table [columns.NAME] with name, metric and n for each test",
    "rows": "add a table [rows.NAME] with figures = { COLUMN = percent } for each row",
    "title": "say what the table is",
    "source": "say where the figures stand, with a revision",
}


def judged_tables() -> dict[str, str]:
    """Name -> title of every table that ships with the project."""
    own = (path.parent.name for path in FOLDER.glob(f"*/{FILE}"))
    return {name: read_table(name).title for name in sorted({*own, *tables()})}


def read_table(name_or_path: str) -> FigureTable:
    """A table by its name, or a TOML or CSV file.

    Raises UserError that names the file, the field, the value and the remedy.
    """
    path = Path(name_or_path)
    if path.suffix.lower() not in (".toml", ".csv"):
        return _bundled(name_or_path)
    if path_kind(path) != "file":
        raise UserError(f"{path}: no such file; give a table's file (TOML or CSV) or name")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): check its permissions") from error
    if path.suffix.lower() == ".toml":
        return _from_toml(text, path)
    try:
        return _from_csv(text, path)
    except csv.Error as error:
        raise UserError(f"{path}: not a CSV file ({error}): save it as comma-separated UTF-8 text") from error


def single_run_table(name: str) -> PublishedTable | None:
    """The table of single runs by that name, whose claims on times its own report judges; None for others."""
    return load_table(name) if name in tables() else None


def _bundled(name: str) -> FigureTable:
    if name in tables():
        return as_figures(load_table(name))
    known = {*tables(), *(path.parent.name for path in FOLDER.glob(f"*/{FILE}"))}
    if name not in known:
        raise UserError(
            f"table {name!r}: neither a .toml or .csv file nor a table that ships with the project; "
            f"{closest(name, sorted(known))}"
        )
    path = FOLDER / name / FILE
    return _from_toml(path.read_text(encoding="utf-8"), path)


def _from_toml(text: str, path: Path) -> FigureTable:
    try:
        raw = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, InvalidOperation) as error:
        raise UserError(f"{path} is not valid TOML: {error}") from error
    return _validated(raw, path)


def _validated(raw: dict[str, Any], path: Path) -> FigureTable:
    try:
        return FigureTable.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = [str(part) for part in first["loc"]]
        if first["type"] == "extra_forbidden":
            fields = _PARTS.get(where[0] if len(where) > 1 else "", FigureTable).model_fields
            known = ", ".join(field.alias or name for name, field in fields.items())
            raise UserError(f"{path}: unknown field {'.'.join(where)!r}; known fields: {known}") from error
        remedy = f": {_REMEDIES.get(where[-1], 'add it')}" if first["type"] == "missing" else ""
        problem = first_problem(error, FigureTable)
        raise UserError(f"{path}: {problem}{remedy}") from error


def _from_csv(text: str, path: Path) -> FigureTable:
    """A row a line: row, figure and n, and where needed column, metric, seeds and scatter."""
    lines = csv.DictReader(StringIO(text.removeprefix("\ufeff")))
    names = lines.fieldnames or []
    if missing := [name for name in _REQUIRED if name not in names]:
        raise UserError(f"{path}: no column {missing[0]!r}: the first line must name {', '.join(_REQUIRED)}")
    if extra := [name for name in names if name not in (*_REQUIRED, *_OPTIONAL)]:
        raise UserError(f"{path}: unknown column {extra[0]!r}; known: {', '.join((*_REQUIRED, *_OPTIONAL))}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{path}: column {twice[0]!r} stands twice: remove one")
    columns: dict[str, dict[str, Any]] = {}
    rows: dict[str, dict[str, Any]] = {}
    for line in lines:
        where = f"{path}, line {lines.line_num}"
        if None in line or None in line.values():
            raise UserError(f"{where}: {len(names)} values are needed, one for each column of the first line")
        _add_line({name: value.strip() for name, value in line.items()}, where, columns, rows)
    if not rows:
        raise UserError(f"{path}: no rows: add a line with {', '.join(_REQUIRED)} for each")
    raw = {"title": path.stem, "source": str(path), "seeds": UNKNOWN, "columns": columns, "rows": rows}
    return _validated(raw | {"against": next(iter(rows))}, path)


def _add_line(
    line: dict[str, str], where: str, columns: dict[str, dict[str, Any]], rows: dict[str, dict[str, Any]]
) -> None:
    """Add one line of a CSV file to the columns and rows. Raises UserError."""
    if not line["row"]:
        raise UserError(f"{where}: row is empty: give the row's name")
    key = line.get("column") or "test"
    column = {"name": key, "metric": line.get("metric") or "accuracy", "n": _n(line["n"], where)}
    if columns.setdefault(key, column) != column:
        raise UserError(f"{where}: column {key!r} has another n or metric above: use one for all its rows")
    row = rows.setdefault(line["row"], {"figures": {}, "scatter": {}})
    if key in row["figures"]:
        raise UserError(f"{where}: row {line['row']!r} has a figure for {key!r} above: name its rows apart")
    row["figures"][key] = _number(line["figure"], "figure", where)
    if line.get("scatter"):
        row["scatter"][key] = _number(line["scatter"], "scatter", where)
    if line.get("seeds"):
        row["seeds"] = _n(line["seeds"], where, "seeds")


def _n(text: str, where: str, field: str = "n") -> int | str:
    if text == UNKNOWN:
        return UNKNOWN
    if text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= MOST_ITEMS:
        return int(text)
    raise UserError(f"{where}: {field} = {text[:30]!r}: {_REMEDIES[field]}")


def _number(text: str, field: str, where: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise UserError(f"{where}: {field} = {text!r}: give a number of percent, such as 95.00") from error


def as_figures(table: PublishedTable) -> FigureTable:
    """A table of single runs, accuracies on three splits, as any other; its claims on times are left out."""
    splits = {
        split: {
            "name": f"{'training' if split == 'train' else split} accuracy",
            "metric": "accuracy",
            "n": sizes[0],
            "also_n": sizes[1:],
            "fewer": table.not_of_all,
            "compared": split == "test",
        }
        for split, sizes in table.examples.items()
    }
    rows = {
        name: {
            "figures": {
                "train": two_digits(row.train_acc),
                "validation": two_digits(row.val_acc),
                "test": two_digits(row.test_acc),
            }
        }
        for name, row in table.rows.items()
    }
    claims = [
        claim.model_dump(include={"id", "text", "row", "against", "direction", "points"})
        | {"ours": [claim.row, claim.against]}
        for claim in table.of_accuracy
    ]
    return FigureTable.model_validate(
        {
            "title": table.title,
            "source": table.source,
            "seeds": 1,
            "columns": splits,
            "rows": rows,
            "same_computation": table.same_computation,
            "claim": claims,
            "erratum": [erratum.model_dump() for erratum in table.errata],
        }
    )


def two_digits(percent: float) -> Decimal:
    """A percentage that was printed with two digits behind the point."""
    return Decimal(f"{percent:.2f}")
