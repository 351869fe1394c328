"""`python -m bench check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, echo

from gptcore.commands.options import FileOptions, with_options
from gptcore.commands.progress import show_progress


@with_options
def check(
    file: Annotated[
        str, Argument(help="a CSV, TSV, JSON or Parquet file, a data set's name (see `list`), or hub:NAME")
    ],
    options: FileOptions,
    models: Annotated[
        str | None,
        Option(
            help="also measure lengths for these models: folders or hub ids, comma-separated; a model of the hub is "
            "downloaded"
        ),
    ] = None,
    out: Annotated[Path | None, Option(help="also write the findings to a Markdown file")] = None,
) -> None:
    """Is a labelled file sound? Finds what would mislead training, with line numbers and remedies. Trains no GPT."""
    from bench.check.check import check as check_file
    from bench.report.check import check_lines, check_markdown
    from bench.run.options import split_names
    from gptcore.files import write_whole

    asked = split_names([models] if models is not None else [])
    checked = check_file(file, options.reading(), lambda step: show_progress(f"{step} ..."), asked)
    for line in check_lines(checked):
        echo(line)
    if out is not None:
        write_whole(out, check_markdown(checked))
        echo(f"written: {out}")
