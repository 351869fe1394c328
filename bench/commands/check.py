"""`python -m bench check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, echo

from gptcore.commands.options import FileOptions, with_options


@with_options
def check(
    file: Annotated[
        str, Argument(help="a CSV, TSV, JSON or Parquet file, or a data set's name (see `list`)")
    ],
    options: FileOptions,
    out: Annotated[Path | None, Option(help="also write the findings to a Markdown file")] = None,
) -> None:
    """Is a labelled file sound? Finds what would mislead training, with line numbers and remedies. Trains no GPT."""
    from bench.check.check import check as check_file
    from bench.report.check import check_lines, check_markdown
    from gptcore.files import write_whole

    checked = check_file(file, options.reading(), lambda step: echo(f"{step} ...", err=True))
    for line in check_lines(checked):
        echo(line)
    if out is not None:
        write_whole(out, check_markdown(checked))
        echo(f"written: {out}")
