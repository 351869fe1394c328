"""Writes records as one Parquet or CSV file, a study at a time, so that memory does not grow with their number."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from bench.records.store import load_run, load_study
from bench.records.stored import stored_runs
from bench.report.columns import Cells, Kind, NamedRows, Table
from gptcore.errors import UserError
from gptcore.extras import require
from gptcore.files import replacing

Format = Literal["parquet", "csv"]
BATCH_ROWS = 50_000


def export(studies: Iterable[Path], table: Table, to: Format, out: Path) -> int:
    """Write the rows of all records of some studies' folders; returns their number.

    The file appears once it is complete. Raises UserError where it is there already, for a folder without a study, a
    damaged record, no records at all, a file that cannot be written, and for Parquet without pyarrow.
    """
    if to == "parquet":
        require("pyarrow", "export-records --to parquet", "parquet")
    if out.exists() or out.is_symlink():
        raise UserError(f"--out {out} exists: remove it or name another file")
    folders = list(studies)
    for folder in folders:
        load_study(folder)  # said before anything is read
    rows = _rows(folders, table)
    first = next(rows, None)
    if first is None:
        raise UserError(f"nothing to export: no rows in {', '.join(map(str, folders))}")
    with replacing(out) as part:
        write = _write_parquet if to == "parquet" else _write_csv
        return write(part, table, _chained(first, rows))


def _rows(folders: Iterable[Path], table: Table) -> Iterator[Cells]:
    for folder in folders:
        named = NamedRows(load_study(folder))
        for run in stored_runs(folder):
            yield from table.rows(named, load_run(run))


def _chained(first: Cells, rest: Iterator[Cells]) -> Iterator[Cells]:
    yield first
    yield from rest


def _write_csv(path: Path, table: Table, rows: Iterator[Cells]) -> int:
    """Missing values are empty cells, lists are JSON."""
    n = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table.columns), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _csv_cell(kind, row[name]) for name, kind in table.columns.items()})
            n += 1
    return n


def _csv_cell(kind: Kind, value: Any) -> Any:
    if value is None:
        return ""
    if kind == "bool":
        return "true" if value else "false"
    return json.dumps(value) if kind in ("ints", "floats") else value


def _write_parquet(path: Path, table: Table, rows: Iterator[Cells]) -> int:
    import pyarrow as pa
    from pyarrow import parquet

    types = {
        "text": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "ints": pa.list_(pa.int64()),
        "floats": pa.list_(pa.float64()),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in table.columns.items()])
    n = 0
    with parquet.ParquetWriter(path, schema) as writer:
        while batch := list(islice(rows, BATCH_ROWS)):
            writer.write_table(pa.Table.from_pylist(batch, schema))
            n += len(batch)
    return n
