"""`python -m bench compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, echo


def compare(
    studies: Annotated[
        list[Path], Argument(help="folders of two studies or more; the first is the reference")
    ],
    out: Annotated[Path | None, Option(help="write it to this file too, plots beside it")] = None,
) -> None:
    """Studies on different models, datasets or commits: what differs, their common rows, ranks over datasets."""
    from bench.report.compare import write_comparison

    echo(write_comparison(studies, out), nl=False)
