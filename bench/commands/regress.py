"""`python -m bench regress`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Exit, Option, echo

from gptcore.commands.progress import show_progress


def regress(
    baseline: Annotated[
        Path, Option(help="baseline file: the predictions and time ratios to compare with")
    ] = Path("results/baselines/ci.json"),
    update: Annotated[
        bool, Option("--update", help="measure and write a new baseline instead of comparing")
    ] = False,
    base: Annotated[
        str | None, Option(help="also compare the speed with this commit: main, HEAD~1, a SHA")
    ] = None,
    rounds: Annotated[
        int, Option(min=8, max=1000, help="timing rounds; more rounds detect smaller slowdowns")
    ] = 12,
) -> None:
    """Check for regressions in accuracy and speed. Prints a Markdown table; exit code 1 if something got worse.

    Accuracy: the rows of the quick study against the baseline's predictions, message by message. Speed: ratios
    of small fits that are timed in turn on this machine, judged by how much identical code varies here. After a
    change that is meant to change results, use --update and commit the file.
    """
    from bench.evidence.regress import as_markdown
    from bench.run.baseline import load_baseline, save_baseline

    def say(what: str) -> None:
        show_progress(f"  {what}")

    before = None if update else load_baseline(baseline)
    from bench.run.gate import measure_baseline, run_gate

    if before is None:
        save_baseline(baseline, measure_baseline(rounds, say))
        echo(f"baseline: {baseline}")
        return
    checks, notes = run_gate(before, base, rounds, say)
    echo(as_markdown(checks, notes))
    if any(check.failed for check in checks):
        raise Exit(1)
