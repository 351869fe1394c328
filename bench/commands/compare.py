"""`python -m bench compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, echo

from bench.commands.options import Metric


def compare(
    studies: Annotated[
        list[Path], Argument(help="folders of two or more studies; the first is the reference")
    ],
    out: Annotated[
        Path | None, Option(help="also write the comparison to this file, with its plots next to it")
    ] = None,
    metric: Metric = None,
) -> None:
    """Compare studies on different models, datasets or commits: differences, shared rows, ranks over datasets."""
    from bench.report.compare import write_comparison

    echo(write_comparison(studies, out, metric), nl=False)
