"""`python -m bench watch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from gptcore.wording import pluralise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from bench.run.snapshot import Current, Snapshot, Trials, Worker

MOST_LINES = 8  # of each list


def watch(
    study: Annotated[
        Path | None,
        Argument(help="study folder, or its name in results/; default: the one that changed last"),
    ] = None,
    once: Annotated[
        bool, Option("--once", help="print the state once and end; always so where the output is no terminal")
    ] = False,
    every: Annotated[float, Option(min=0.1, max=3600, help="seconds between two looks")] = 1.0,
) -> None:
    """Show a study's runs, workers, time left and best rows, from its folder alone. Only reads; Ctrl-C ends it.

    The study may run in other processes, or on other machines that write into the same folder.
    """
    import time
    from datetime import UTC, datetime

    from rich.live import Live

    from bench.commands.progress import console
    from bench.run.watch import Watcher, study_folder, trials_of

    watcher = Watcher(study_folder(study))

    def look() -> Snapshot | Trials:
        return trials_of(watcher.folder) or watcher.look(datetime.now(UTC))

    found = look()
    if once or not console.is_terminal:
        console.print(render(found), soft_wrap=True)
        return
    with Live(render(found), console=console, auto_refresh=False) as live:
        try:
            while not found.is_over:
                time.sleep(every)
                found = look()
                live.update(render(found), refresh=True)
        except KeyboardInterrupt:
            return


def render(found: Snapshot | Trials) -> RenderableType:
    """A snapshot as lines for the terminal."""
    from rich.text import Text

    from bench.report.text import sanitize
    from bench.run.snapshot import Trials

    lines = _of_trials(found) if isinstance(found, Trials) else _lines(found)
    return Text("\n".join(" " * indent + sanitize(line) for indent, line in lines))


def _of_trials(found: Trials) -> Iterator[tuple[int, str]]:
    yield (
        0,
        f"{found.name}: values of its rows are being chosen, no run has begun: {pluralise(found.n_ended, 'trial')} "
        f"ended, {len(found.current)} running",
    )
    if not found.current:
        yield 0, "no process is at work: the command of the study resumes it"
    yield from _section("running", list(found.current))


def _lines(found: Snapshot) -> Iterator[tuple[int, str]]:
    """(spaces before it, text) of each line."""
    from bench.commands.progress import duration

    counts, study = found.counts, found.study
    alive = [run for run in found.current if run.is_alive]
    ended = f"{counts['failed']} failed, {counts['skipped']} skipped, {len(alive)} running"
    if found.search is None:
        yield (
            0,
            f"{study.name} on {study.dataset.name}: {counts['done']} of {found.n_runs} runs done, {ended}",
        )
    else:
        trials = pluralise(found.search.n_trials, "trial")
        yield (
            0,
            f"recommendation for {found.search.state.data}: {counts['done']} runs done, {ended}; {trials} ended",
        )
    if found.eta_s is not None:
        yield 0, f"about {duration(found.eta_s)} left, with as many at a time as now"
    elif line := _how_it_stands(found):
        yield 0, line
    yield from _section("running", [_current(run) for run in found.current])
    yield from _section("workers", [_worker(worker) for worker in found.workers if worker.n_ended])
    yield from _best(found)
    yield from _section("failed", [f"{name}: {reason}" for name, reason in found.failed])
    yield from _section("damaged files", list(found.damaged))
    if found.n_unknown:
        yield 0, f"{found.n_unknown} lines in events/ could not be read, and are left out"


def _how_it_stands(found: Snapshot) -> str:
    """Why nobody is at work, and what a recommendation has spent; empty where there is nothing to say."""
    from bench.commands.progress import duration

    if found.search is None:
        if found.is_running or not found.n_left:
            return ""
        if found.study.ended:
            return f"ended: {found.study.ended}"
        left = pluralise(found.n_left, "run is", "runs are")
        if found.may_be_queued:
            return f"{left} left: they wait in Slurm's queue (squeue), or the command of the study resumes it"
        return f"{left} left, and no process is at work: the command of the study resumes it"
    state = found.search.state
    if (last := state.last_call) is not None:
        return f"ended after {duration(state.spent_s)} of {duration(last.budget_s)}: {last.ended}"
    spent = f"{duration(state.spent_s)} of the budget spent"
    return spent if found.is_running else f"{spent}, and no process is at work: the same command continues"


def _best(found: Snapshot) -> Iterator[tuple[int, str]]:
    """The rows by the study's metric. A recommendation compares them on rows that each seed holds out."""
    from bench.evidence.metric import METRICS
    from bench.report.units import unit_of

    unit = unit_of(METRICS[found.study.metric])
    part, who = "test", "`report`"
    if found.search is not None:
        part, who = "held-out", "`recommend`"

    def seeds(n: int) -> str:
        return pluralise(n, "seed") if found.search else f"{n} of {pluralise(len(found.study.seeds), 'seed')}"

    rows = [
        f"{unit.short(row.score):>6} {part} {unit.metric.title}  {seeds(row.n_done)}  {row.name}"
        for row in found.rows
    ]
    yield from _section(f"best so far{unit.by} (means over finished seeds; {who} says what is decided)", rows)


def _section(title: str, lines: list[str]) -> list[tuple[int, str]]:
    """A title and the first lines under it; nothing where there are none."""
    if not lines:
        return []
    more = [f"and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    return [(0, f"{title}:"), *((2, line) for line in [*lines[:MOST_LINES], *more])]


def _current(current: Current) -> str:
    from bench.commands.progress import duration

    line = current.run.name
    if current.worker is None:
        return f"{line} (its worker leaves no events)"
    line += f", {duration(current.running_s)} on {current.worker}"
    if current.epoch is not None:
        line += (
            f", epoch {current.epoch}, validation accuracy {100 * (current.validation_accuracy or 0):.1f}%"
        )
    if not current.is_alive:
        line += f": no sign of life for {duration(current.silent_s)}, and nobody holds its lock"
    return line


def _worker(worker: Worker) -> str:
    speed = "" if worker.per_hour is None else f", {worker.per_hour:,.1f} runs an hour"
    return f"{worker.name}: {pluralise(worker.n_ended, 'run')}{speed}{'' if worker.is_alive else ', not at work'}"
