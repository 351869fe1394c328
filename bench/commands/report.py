"""`python -m bench report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, echo

from bench.commands.options import Margin


def report(
    studies: Annotated[list[Path], Argument(help="folders of studies, such as results/embedded")],
    margin: Margin = None,
) -> None:
    """Write report.md, report.html, summary.csv and the plots of a study again, from its records alone."""
    from bench.records.files import cannot_write
    from bench.records.locks import lock
    from bench.records.store import load_records, load_study
    from bench.report.markdown import write_report

    for folder in studies:
        study = load_study(folder)
        with lock(folder, "report", wait=True):  # one writer at a time, with the records as they are then
            records = list(load_records(folder).values())
            try:
                written = write_report(folder, study, records, None if margin is None else margin / 100)
            except OSError as error:
                raise cannot_write(folder, error) from error
        echo(f"report: {written}")
