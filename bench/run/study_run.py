"""From command-line options to a study, its data, its folder and its plan. Imports no torch."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bench.evidence.looks import repeated_looks
from bench.records.facts import dataset_facts, group_warning
from bench.records.record import Record
from bench.records.store import RESULTS, load_records
from bench.records.study import UNTUNED, Study
from bench.run.data_checks import check_training_parts, check_varies
from bench.run.environment import BUSY, BUSY_REMEDY, busy_share
from bench.run.executors.base import Site
from bench.run.executors.local import Here
from bench.run.jobs import choose_device
from bench.run.looks import asked_looks, check_looks, parse_budget, scheme_of
from bench.run.options import LookOptions, RunOptions, split_names
from bench.run.same_study import (
    StudyOn,
    check_same_study,
    checkpoints_of,
    margin_of,
    metric_of,
    reported_study,
    unknown_checkpoints,
)
from bench.run.seeds import FIRST_SEED, TOGETHER, Series, make_seeds, parse_vary
from bench.run.study_name import check_folder, study_name
from bench.run.tune import Choosing, trial_data
from bench.run.worker import SessionSpec
from bench.study.axis import choose_all, resolve_on
from bench.study.forecast import Prediction
from bench.study.matrix import Matrix, Tune, load_matrix
from bench.study.plan import PlannedRun, checkpoint_notes, make_plan
from bench.study.resolve import Resolved, parse_sets
from bench.study.tuning import Tuning
from gptcore.backbones.checkpoints import checkpoint_reachable
from gptcore.backbones.convert.terms import accept_terms
from gptcore.data.datasets import Dataset, load_dataset
from gptcore.errors import UserError

ONE_LOOK = LookOptions()
HERE = Here()


@dataclass(frozen=True)
class StudyRun:
    """Everything that a run needs. free_bytes: free memory, which `sharing` runs share at a time; jobs: runs at a time.

    `messages` and `warnings` are shown to the user.
    """

    folder: Path
    study: Study
    data: Dataset
    manifest: Study  # the study of the report: this one, or a larger one in the folder that contains it
    records: dict[str, Record]  # by run id, as the plan knew them
    plan: list[PlannedRun]
    device: str
    free_bytes: int
    messages: list[str]
    warnings: tuple[str, ...]
    opened: Opened
    site: Site = HERE
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    jobs: int = 1
    until_decided: bool = False
    budget_s: float | None = None
    trials: tuple[PlannedRun, ...] = ()  # that are to do before the values of its rows are chosen
    predictions: Mapping[str, Prediction] = field(default_factory=dict)  # where --jobs auto has measured them

    @property
    def budget(self) -> str | None:
        """What --budget says, trials included."""
        return self.opened.judged.budget

    @property
    def tune(self) -> Tune | None:
        """The values to choose from, where they are chosen."""
        return None if self.opened.choosing is None else self.opened.choosing.tune

    def next_trials(self) -> tuple[PlannedRun, ...]:
        """The trials that are to do by now. Raises UserError, also where they have used up the budget."""
        assert self.opened.choosing is not None
        self.opened.budget_s()
        return _unblocked(self.opened.choosing.now().todo, self.plan)

    @property
    def sharing(self) -> int:
        """How many runs at a time share the free memory."""
        return self.jobs if self.site.sharing and self.device == "cpu" else 1  # each has a GPU of its own

    @property
    def certain_runs(self) -> list[PlannedRun]:
        """The first runs of the plan, those that the study will do whatever they show."""
        scheme = self.manifest.scheme if self.until_decided else None
        n = scheme[0].seeds if scheme else len(self.study.seeds)
        return [run for run in self.plan if run.seed_index < n]

    def tuning_spec(self) -> SessionSpec:
        """The specification of a session for trials: without the test part. Raises UserError."""
        assert self.tune is not None
        data = trial_data(self.data, self.tune, FIRST_SEED)
        return replace(self.session_spec(), data=data, baseline=None, measures_serving=False)

    def session_spec(self, verify: bool = False) -> SessionSpec:
        """The specification of a worker's session; verify: first compare every run with the plain engine."""
        return SessionSpec(
            *(self.data, self.study.engine, self.precision, self.device),
            verify=verify,
            checkpoints=self.study.checkpoints,
            baseline=self.study.row(self.study.baseline).recipe,
            jobs=self.jobs,
            threads=self.site.threads(self.jobs),
            free_bytes=self.free_bytes // self.sharing,
        )


def open_study(
    options: RunOptions,
    judged: LookOptions = ONE_LOOK,
    site: Site = HERE,
    *,
    will_run: bool = True,
    margin: float | None = None,
) -> StudyRun:
    """Resolve matrix and models, load the data, and plan the runs that a site is to do. Raises UserError.

    margin: in points, of log-loss nats; None: as planned. will_run: False for a plan alone. Results in the folder that
    these runs may not join are then a warning instead of an error, and the plan is that of an empty folder.
    """
    return _open(options, judged, site, margin).plan(will_run=will_run)


@dataclass(frozen=True)
class Opened:
    """What stays the same while values are chosen for the rows. rows: as the matrix has them, `values` left out."""

    options: RunOptions
    judged: LookOptions
    site: Site
    messages: tuple[str, ...]
    matrix: Matrix
    models: Sequence[str]
    vary: tuple[Series, ...]
    looks: tuple[int, ...]
    rows: Resolved
    data: Dataset
    folder: Path
    choosing: Choosing | None
    margin: float | None = None  # as the option has it

    def resolved(self, values: Mapping[str, Mapping[str, Any]]) -> Resolved:
        """The rows with values that were chosen for them, by name."""
        return _resolved(self.options, self.matrix, self.models, values) if values else self.rows

    def budget_s(self) -> float | None:
        """Seconds of --budget that trials have left; None for no limit. Raises UserError where they left none."""
        budget_s = parse_budget(self.judged.budget) if self.judged.budget else None
        return self.choosing.left_s(budget_s) if budget_s is not None and self.choosing else budget_s

    def plan(self, *, will_run: bool = True) -> StudyRun:
        """Plan against the records that are in the folder by now; will_run: as in `open_study`. Raises UserError."""
        options, judged, site, data, folder = self.options, self.judged, self.site, self.data, self.folder
        tuned = Tuning((), ()) if self.choosing is None else self.choosing.now()
        study = self._study(tuned)
        warnings, records = list(study.warnings), load_records(folder)
        device = choose_device(options.device, site.has_cuda)
        try:
            check_same_study(folder, study, records, parse_sets(options.changes))
            manifest, notes = reported_study(folder, study, records)
        except UserError as error:
            if will_run:
                raise
            records, manifest, notes = {}, study, []
            warnings.append(f"`run` refuses this; planned as for an empty folder: {error}")
        plan = make_plan(study, records, reachable=checkpoint_reachable, retry_failed=options.retry_failed)
        warnings += unknown_checkpoints(folder, study, records)
        if any(run.state == "todo" for run in plan) and (busy := busy_share()) > BUSY:
            warnings.append(f"other programs use {busy:.0%} of the CPU: {BUSY_REMEDY}")
        check_looks(folder, judged, manifest)
        if (again := repeated_looks(manifest)) and len(manifest.seeds) not in (manifest.looks or []):
            warnings.append(again)
        return StudyRun(
            folder,
            study,
            data,
            manifest,
            records,
            plan,
            device,
            site.free_bytes(device),
            [*self.messages, *checkpoint_notes(plan), *data.notes, *notes],
            tuple(warnings),
            self,
            site,
            options.precision,
            site.n_jobs(options.jobs, (run.recipe for run in plan if run.state == "todo"), device),
            judged.until_decided,
            self.budget_s(),
            _unblocked(tuned.todo, plan),
        )

    def _study(self, tuning: Tuning) -> Study:
        """The manifest of these options, with the values that were chosen for rows."""
        resolved = self.resolved({each.row: each.values for each in tuning.rows})
        rows = [
            row.model_copy(update={"excluded": why}) if (why := tuning.refused.get(row.name)) else row
            for row in resolved.rows
        ]
        seeds = make_seeds(self.looks[-1], self.vary)
        return Study(
            name=self.folder.name,
            matrix=self.matrix.name,
            about=self.matrix.about,
            models=",".join(self.models),
            engine=self.options.engine,
            baseline=resolved.baseline,
            questions=resolved.questions,
            rows=rows,
            seeds=seeds,
            scheme=scheme_of(self.looks, seeds),
            metric=(metric := metric_of(self.folder, self.options.metric)),
            margin=margin_of(self.folder, self.margin, metric),
            dataset=dataset_facts(self.data),
            checkpoints=checkpoints_of(resolved.rows),
            notes=list(self.data.notes),
            warnings=[*self.data.warnings, *group_warning(self.data), *resolved.warnings],
            tuned=list(tuning.rows),
            command=shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        )


def _open(options: RunOptions, judged: LookOptions, site: Site, margin: float | None) -> Opened:
    looks = asked_looks(judged, options.seeds)
    if options.engine == "plain" and options.precision == "bfloat16":
        raise UserError(
            "--precision bfloat16: the plain engine is always in float32; leave it out, or --engine fast"
        )
    accepted = accept_terms(options.accept_licence)
    matrix = load_matrix(options.matrix)
    models, why = choose_all(options.models, site.has_cuda, checkpoint_reachable)
    vary = parse_vary(options.vary)
    resolved = _resolved(options, matrix, models)
    data = load_dataset(options.data, options=options.reading())
    tune = matrix.tune if options.tune == "on" else None
    check_varies(data, vary)
    if options.splits == "kfold":
        if not any("split" in kinds for kinds in vary):
            raise UserError("--splits kfold: no seed varies the split: add split to --vary, or leave it out")
        if tune is not None:
            raise UserError(
                "--splits kfold: every text is a test text once, and values may not be chosen on one: add --tune off"
            )
        data = data.with_folds()
    if tune is not None:
        data = data.with_fixed_test()
    check_training_parts(resolved.rows, data)
    series = () if vary == TOGETHER else vary
    about = (data.name, options.engine, series, options.limit, parse_sets(options.changes))
    own_name = study_name(matrix.name, models, *about)
    own_name += "" if options.splits == "random" else f"-{options.splits}"
    own_name += UNTUNED if matrix.tune is not None and tune is None else ""
    folder = options.out or RESULTS / own_name
    check_folder(folder)
    on = StudyOn(data.source_fingerprint, options.engine, checkpoints_of(resolved.rows) if tune else {})
    choosing = None
    if tune is not None:
        metric = metric_of(folder, options.metric)
        choosing = Choosing(folder, resolved.rows, tune, FIRST_SEED, on, options.retry_failed, metric)
    about_data = (resolved, data, folder, choosing, margin)
    return Opened(options, judged, site, (*accepted, why), matrix, models, vary, looks, *about_data)


def _resolved(
    options: RunOptions,
    matrix: Matrix,
    models: Sequence[str],
    values: Mapping[str, Mapping[str, Any]] | None = None,
) -> Resolved:
    only, skip = split_names(options.only), split_names(options.skip)
    return resolve_on(matrix, models, parse_sets(options.changes), only, skip, values)


def _unblocked(trials: Iterable[PlannedRun], plan: Iterable[PlannedRun]) -> tuple[PlannedRun, ...]:
    """The trials of rows that can run here."""
    blocked = {row for run in plan if run.state == "blocked" for row in run.rows}
    return tuple(trial for trial in trials if not blocked & set(trial.rows))
