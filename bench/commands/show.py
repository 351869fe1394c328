"""`python -m bench show`."""

from __future__ import annotations

from typing import Annotated

from typer import Argument


def show(
    run: Annotated[str, Argument(help="a record's file, or a run in results/: its name, or STUDY/NAME")],
) -> None:
    """One record, readable."""
    from rich.console import Console

    from bench.records.store import load_record, named_record
    from bench.report.show import show_record

    Console().print(show_record(load_record(named_record(run))))
