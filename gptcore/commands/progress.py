"""Progress of a command, on standard error: standard output has its answers alone."""

from __future__ import annotations

from typer import echo

from gptcore.wording import one_line


def show_progress(line: str) -> None:
    """Print a line about what is done now."""
    echo(one_line(line), err=True)
