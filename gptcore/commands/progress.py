"""Progress and remarks of a command, on standard error: standard output has its answers alone."""

from __future__ import annotations

from typer import echo

from gptcore.wording import one_line


def show_progress(line: str) -> None:
    """Print a line about what is done now, or a remark; what may break a line or steer a terminal becomes spaces."""
    echo(one_line(line), err=True)
