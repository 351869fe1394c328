"""`python -m bench show`."""

from __future__ import annotations

from typing import Annotated

from typer import Argument


def show(
    run: Annotated[str, Argument(help="record file, or a run in results/: NAME or STUDY/NAME")],
) -> None:
    """Show one record in readable form."""
    from rich.console import Console

    from bench.records.store import named_record
    from bench.report.show import show_record

    Console().print(show_record(named_record(run)))
