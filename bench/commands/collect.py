"""`python -m bench collect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, echo


def collect(
    folders: Annotated[
        list[Path], Argument(help="study folders, copied from the machines that ran parts of it")
    ],
    out: Annotated[Path, Option(help="study folder to merge into; its own records are kept")],
) -> None:
    """Merge the records of one study that was run on machines that never met. Conflicts are named, nothing overwritten.

    Everything is checked before anything is written, and the same call can be repeated as more records come in.
    """
    from bench.run.collect import collect as merge

    found = merge(folders, out)
    echo(
        f"{out}: {found.n_records:,} records, {found.n_new:,} of them new; {found.n_duplicates:,} equal duplicates, "
        f"{found.n_replaced:,} that failed or were skipped in one folder and not in another"
    )
    echo(f"report: python -m bench report {out}")
