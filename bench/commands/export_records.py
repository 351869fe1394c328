"""`python -m bench export-records`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option, echo


def export_records(
    studies: Annotated[list[Path], Argument(help="study folders, such as results/embedded")],
    out: Annotated[Path, Option(help="the file to write; it must not exist")],
    to: Annotated[Literal["parquet", "csv"], Option(help="format of the file")] = "parquet",
    predictions: Annotated[
        bool,
        Option("--predictions", help="one row per test prediction of each run, instead of one row per run"),
    ] = False,
) -> None:
    """Write records as one table for pandas, DuckDB or a spreadsheet: one row per run, or per prediction.

    `in_report` says whether the study's report counts a run. Texts of the data are not in records.
    """
    from bench.report.columns import PREDICTIONS, RUNS
    from bench.report.export import export

    n = export(studies, PREDICTIONS if predictions else RUNS, to, out)
    echo(f"{n:,} rows: {out}")
