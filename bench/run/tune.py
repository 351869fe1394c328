"""Chooses the values of a study's rows on validation data before its first run. Trials are records in `tuning/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.records.record import Record
from bench.records.store import load_records, load_study
from bench.records.study import Row, TunedRow
from bench.run.execute import Listener, execute
from bench.run.executors.base import Executor
from bench.study.matrix import Tune
from bench.study.plan import PlannedRun
from bench.study.tuning import Tuning, grid_of, seeds_of_trials, tuning
from gptcore.data.datasets import Dataset
from gptcore.data.holdout import without_test
from gptcore.errors import UserError
from gptcore.recipe import Seeds

FOLDER = "tuning"  # within the study's folder


@dataclass(frozen=True)
class StudyOn:
    """What trials must have in common with their study. source_fingerprint: of its data with the test part fixed;
    checkpoints: model -> SHA-256 over its checkpoint's files."""

    source_fingerprint: str
    engine: str
    checkpoints: Mapping[str, str]


def choices(folder: Path, rows: Sequence[Row], tune: Tune, first_seed: int, study_on: StudyOn) -> Tuning:
    """What is chosen for the rows, from the study's manifest or from trials, and the trials that are still to do.

    A choice in the manifest stands: values are never chosen again once the study has begun. Raises UserError where it
    was made for another recipe or from other values, and where trials in the folder are on other data.
    """
    fixed = {}
    for tuned in _in_manifest(folder, study_on):
        row = next((row for row in rows if row.name == tuned.row), None)
        if row is None:
            continue
        if (tuned.recipe_id, tuned.grid) != (row.recipe.id, grid_of(row, tune)):
            raise UserError(
                f"row {row.name!r}: its values in {folder} were chosen for another recipe or from other values: "
                "restore the matrix, or choose another folder with --out"
            )
        fixed[tuned.row] = tuned
    records = load_records(folder / FOLDER)
    _check_trials(folder / FOLDER, records, study_on)
    open_rows = [row for row in rows if row.name not in fixed]
    found = tuning(open_rows, tune, trial_seeds(tune, first_seed), records)
    by_name = fixed | {tuned.row: tuned for tuned in found.rows}
    return Tuning(found.todo, tuple(by_name[row.name] for row in rows if row.name in by_name))


def _check_trials(folder: Path, records: Mapping[str, Record], study_on: StudyOn) -> None:
    """Raises UserError for trials that say nothing of this study's data, engine or checkpoints."""
    for record in records.values():
        checkpoint = record.weights.checkpoint if record.weights else None
        if record.dataset.source_fingerprint != study_on.source_fingerprint:
            what = f"trials on other data ({record.dataset.name})"
        elif record.engine != study_on.engine:
            what = f"trials of the {record.engine} engine"
        elif (
            None not in (checkpoint, now := study_on.checkpoints.get(record.recipe.model))
            and checkpoint != now
        ):
            what = f"trials of {record.recipe.model} with other checkpoint files"
        else:
            continue
        raise UserError(f"{folder} holds {what}: choose another folder with --out, or remove it")


def trial_seeds(tune: Tune, first_seed: int) -> list[Seeds]:
    """The seeds of every trial, none of them the study's."""
    return seeds_of_trials(tune.seeds, first_seed)


def trial_data(data: Dataset, tune: Tune, first_seed: int) -> Dataset:
    """The study's data without its test part, split for the trials. Raises UserError."""
    return without_test(data, [seeds.split for seeds in trial_seeds(tune, first_seed)])


def run_trials(
    folder: Path,
    executor: Executor,
    todo: Callable[[], Sequence[PlannedRun]],
    listener: Callable[[Sequence[PlannedRun]], Listener],
) -> None:
    """Do the trials, rung by rung, until none is left to do. Safe to interrupt, as runs are.

    executor: on `trial_data`; todo: the trials of the next rung; listener: who hears of them. Raises UserError.
    """
    where = folder / FOLDER
    while runs := list(todo()):
        execute(runs, where, {}, executor, listener(runs))


def _in_manifest(folder: Path, study_on: StudyOn) -> list[TunedRow]:
    try:
        there = load_study(folder)
    except UserError:  # there is none yet, or it is damaged and will be rewritten
        return []
    return there.tuned if there.dataset.source_fingerprint == study_on.source_fingerprint else []
