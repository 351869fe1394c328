"""`python -m bench judge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, echo


def judge(
    table: Annotated[str, Argument(help="a published table: a name (see list), or a TOML or CSV file")],
    against: Annotated[
        str | None, Option(help="the row that all others are compared with; default: the table's")
    ] = None,
    study: Annotated[
        list[Path] | None,
        Option(help="folder of a study of ours that judges the claims too; may be given several times"),
    ] = None,
) -> None:
    """Judge a published table: which differences stand, how small a difference it can show, what does not add up."""
    from bench.evidence.results import collect
    from bench.published.judged import read_table
    from bench.records.store import load_records, load_study
    from bench.report.judge import judgement
    from gptcore.errors import UserError, closest

    found = read_table(table)
    if against is not None:
        if against not in found.rows:
            raise UserError(f"--against {against}: no such row; {closest(against, found.rows)}")
        found = found.against_row(against)
    studies = {
        str(folder): collect(load_study(folder), list(load_records(folder).values()))
        for folder in study or []
    }
    echo(judgement(found, table, studies), nl=False)
