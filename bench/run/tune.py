"""Chooses the values of a study's rows on validation data before its first run. Trials are records in `tuning/`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.records.store import load_records, load_study
from bench.records.study import Row, TunedRow
from bench.run.execute import Listener, execute
from bench.run.jobs import assistants
from bench.run.supervisor import Supervisor
from bench.run.worker import SessionSpec
from bench.study.matrix import Tune
from bench.study.plan import PlannedRun
from bench.study.tuning import Tuning, seeds_of_trials, tuning
from gptcore.data.datasets import Dataset
from gptcore.data.holdout import without_test
from gptcore.errors import UserError
from gptcore.recipe import Seeds

FOLDER = "tuning"  # within the study's folder


def choices(folder: Path, rows: Sequence[Row], tune: Tune, first_seed: int) -> Tuning:
    """What is chosen for the rows, from the study's manifest or from trials, and the trials that are still to do.

    A choice in the manifest stands: values are never chosen again once the study has begun. Raises UserError.
    """
    fixed = {tuned.row: tuned for tuned in _in_manifest(folder)}
    open_rows = [row for row in rows if row.name not in fixed]
    found = tuning(open_rows, tune, trial_seeds(tune, first_seed), load_records(folder / FOLDER))
    by_name = fixed | {tuned.row: tuned for tuned in found.rows}
    return Tuning(found.todo, tuple(by_name[row.name] for row in rows if row.name in by_name))


def trial_seeds(tune: Tune, first_seed: int) -> list[Seeds]:
    """The seeds of every trial, none of them the study's."""
    return seeds_of_trials(tune.seeds, first_seed)


def trial_data(data: Dataset, tune: Tune, first_seed: int) -> Dataset:
    """The study's data without its test part, split for the trials. Raises UserError."""
    return without_test(data, [seeds.split for seeds in trial_seeds(tune, first_seed)])


def run_trials(
    folder: Path,
    spec: SessionSpec,
    todo: Callable[[], Sequence[PlannedRun]],
    listener: Callable[[Sequence[PlannedRun]], Listener],
    timeout_s: float | None,
) -> None:
    """Do the trials, rung by rung, until none is left to do. Safe to interrupt, as runs are.

    spec: with `trial_data`; todo: the trials of the next rung; listener: who hears of them. Raises UserError.
    """
    where = folder / FOLDER
    with Supervisor(spec, timeout_s) as supervisor, assistants(spec, where, {}, timeout_s) as assist:
        while runs := list(todo()):
            assist(runs, {})
            execute(runs, where, {}, supervisor.run, listener(runs))


def _in_manifest(folder: Path) -> list[TunedRow]:
    try:
        return load_study(folder).tuned
    except UserError:  # there is none yet, or it is damaged and will be rewritten
        return []
