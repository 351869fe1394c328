"""Chooses the values of a study's rows on validation data before its first run. Trials are records in `tuning/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.evidence.metric import METRICS
from bench.records.record import Record
from bench.records.store import load_records, load_study
from bench.records.study import Row, TunedRow
from bench.run.costs import spent_s
from bench.run.execute import execute
from bench.run.executors.base import Executor
from bench.run.listener import Listener
from bench.run.outcome import RefusedRunsError
from bench.run.same_study import StudyOn, other_study
from bench.study.matrix import Tune
from bench.study.plan import PlannedRun
from bench.study.tuning import Tuning, grid_of, seeds_of_trials, tuning
from gptcore.data.datasets import Dataset
from gptcore.data.holdout import without_test
from gptcore.errors import UserError
from gptcore.metric_names import MetricName
from gptcore.recipe import Recipe, Seeds

FOLDER = "tuning"  # within the study's folder


class Choosing:
    """The choice of values for the rows of a study in its folder, from trials that are done rung by rung.

    rows: as the matrix has them; retry_failed: do again, once, the trials that had failed when this was made, also
    those of a choice that no run of the study has been done with; metric: what decides.
    """

    def __init__(
        self,
        folder: Path,
        rows: Sequence[Row],
        tune: Tune,
        first_seed: int,
        study_on: StudyOn,
        retry_failed: bool = False,
        metric: MetricName = "accuracy",
    ) -> None:
        self.folder, self.rows, self.tune, self.study_on = folder, rows, tune, study_on
        self.seeds = trial_seeds(tune, first_seed)
        self._retried = retry_failed
        self._score = None if metric == "accuracy" else METRICS[metric].score
        there = load_records(folder / FOLDER) if retry_failed else {}
        self.refused: dict[str, str] = {}  # why a trial was, by run id: it leaves no record
        self.again = {run_id: record for run_id, record in there.items() if record.status == "failed"}

    def now(self) -> Tuning:
        """What is chosen, from the study's manifest or from trials, and the trials that are still to do.

        A choice in the manifest stands: values are never chosen again once a run has been done with them. Raises
        UserError where it was made for another recipe or from other values, and where trials are on other data.
        """
        records = self._records()
        left = {run_id: record for run_id, record in records.items() if record != self.again.get(run_id)}
        fixed = self._fixed()
        rows = [row for row in self.rows if row.name not in fixed]
        found = tuning(rows, self.tune, self.seeds, left, self._score, self.refused)
        by_name = fixed | {tuned.row: tuned for tuned in found.rows}
        return replace(found, rows=tuple(by_name[row.name] for row in self.rows if row.name in by_name))

    def left_s(self, budget_s: float) -> float:
        """Seconds of a budget that trials have left for runs. Raises UserError where none are left."""
        took_s = spent_s(self._records().values())
        if took_s >= budget_s:
            raise UserError(
                f"--budget of {budget_s:g} s: trials have taken {took_s:.0f} s of it: raise it, or choose from fewer "
                "values; finished trials are kept"
            )
        return budget_s - took_s

    def failures(self) -> list[Record]:
        """The trials that have failed by now."""
        return [record for record in self._records().values() if record.status == "failed"]

    def _records(self) -> dict[str, Record]:
        """The trials by run id. Raises UserError for those on other data, or of another engine or checkpoint."""
        where = self.folder / FOLDER
        records = load_records(where)
        for record in records.values():
            if (what := other_study(record, self.study_on, "trials")) is not None:
                raise UserError(f"{where} holds {what}: choose another folder with --out, or remove it")
        return records

    def _fixed(self) -> dict[str, TunedRow]:
        """The choices in the manifest, by row. Raises UserError where they are not of this matrix."""
        fixed, by_name = {}, {row.name: row for row in self.rows}
        for tuned in _in_manifest(self.folder, self.study_on):
            if (row := by_name.get(tuned.row)) is None:
                continue
            if (tuned.recipe_id, tuned.grid) != (row.recipe.id, grid_of(row, self.tune)):
                raise UserError(
                    f"row {row.name!r}: its values in {self.folder} were chosen for another recipe or from other "
                    "values: restore the matrix, or choose another folder with --out"
                )
            if not (self._retried and self._may_be_chosen_again(row, tuned)):
                fixed[tuned.row] = tuned
        return fixed

    def _may_be_chosen_again(self, row: Row, tuned: TunedRow) -> bool:
        """Whether a trial had failed, and nothing is known yet of the row with the values that were chosen."""
        chosen = Recipe.model_validate(row.recipe.model_dump() | tuned.values).id
        runs = load_records(self.folder).values()
        has_failed = any(trial.accuracy is None for trial in tuned.trials)
        return has_failed and not any(run.recipe_id == chosen and run.status == "done" for run in runs)


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
    seen: Mapping[str, Record],
    refused: MutableMapping[str, str],
) -> None:
    """Do the trials, rung by rung, until none is left to do. Safe to interrupt, as runs are.

    executor: on `trial_data`; todo: the trials of the next rung; listener: who hears of them; seen: run id -> record
    of trials that are done again; refused: gets the reasons of trials that are refused, which `todo` then leaves out.
    Raises UserError.
    """
    where = folder / FOLDER
    while runs := list(todo()):
        try:
            execute(runs, where, seen, executor, listener(runs))
        except RefusedRunsError as error:
            refused.update(error.reasons)


def _in_manifest(folder: Path, study_on: StudyOn) -> list[TunedRow]:
    try:
        there = load_study(folder)
    except UserError:  # there is none yet, or it is damaged and will be rewritten
        return []
    return there.tuned if there.dataset.source_fingerprint == study_on.source_fingerprint else []
