"""`python -m bench doctor`."""

from __future__ import annotations

from typer import Exit


def doctor() -> None:
    """Can a study run here? Checks the machine and what it can reach; writes and downloads nothing.

    Looks at cores, speed, versions, memory, disk, cache, sources of data and weights, and says what
    `run --matrix full` would do. Exit code 1 where something would stop a run; each finding has its remedy.
    """
    from bench.commands.progress import show_checks
    from bench.run.doctor import examine

    if "problem" in show_checks(examine()):
        raise Exit(1)
