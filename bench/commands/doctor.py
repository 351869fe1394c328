"""`python -m bench doctor`."""

from __future__ import annotations

from typing import Annotated

from typer import Exit, Option


def doctor(
    models: Annotated[str, Option(help="models that the study would run on: as for `run`, a,b,c")] = "auto",
) -> None:
    """Check whether a study can run here. Writes and downloads nothing.

    Checks cores, speed, versions, memory, disk, cache, and the sources of data and weights, and shows what
    `run --matrix full` would do. Every problem comes with a remedy. Exit code 1 if something would stop a run.
    """
    from bench.commands.progress import show_checks
    from bench.run.doctor import examine

    if "problem" in show_checks(examine(models)):
        raise Exit(1)
