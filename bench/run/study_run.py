"""From command-line options to a study, its data, its folder and its plan. Imports no torch."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bench.evidence.looks import repeated_looks
from bench.records.facts import dataset_facts
from bench.records.record import Record
from bench.records.store import RESULTS, load_records
from bench.records.study import Row, Study
from bench.run.environment import BUSY, BUSY_REMEDY, busy_share
from bench.run.executors.base import Site
from bench.run.executors.local import Here
from bench.run.jobs import choose_device
from bench.run.looks import asked_looks, check_looks, parse_budget, scheme_of
from bench.run.options import LookOptions, RunOptions
from bench.run.same_study import (
    check_same_study,
    checkpoints_of,
    metric_of,
    reported_study,
    unknown_checkpoints,
)
from bench.run.tune import StudyOn, choices, trial_data
from bench.run.worker import SessionSpec
from bench.study.axis import choose_all, resolve_on
from bench.study.matrix import Tune, load_matrix
from bench.study.plan import PlannedRun, checkpoint_notes, make_plan
from bench.study.resolve import parse_set
from bench.study.tuning import Tuning
from gptcore.backbones.checkpoints import checkpoint_reachable, is_local_folder
from gptcore.backbones.convert.terms import accept_terms
from gptcore.backbones.hub import split_revision
from gptcore.data.datasets import Dataset, load_dataset
from gptcore.data.subset import with_train_size
from gptcore.errors import UserError
from gptcore.paths import path_kind
from gptcore.recipe import Seeds
from gptcore.training.class_weight import check_class_weight

FIRST_SEED = 123  # of the published study; further seeds count on from it
SeedKind = Literal["init", "order", "split"]
Series = tuple[SeedKind, ...]  # what differs between the seeds of a series, together
SEED_KINDS: Series = ("init", "order", "split")
TOGETHER: tuple[Series, ...] = (SEED_KINDS,)
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
    site: Site = HERE
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    jobs: int = 1
    until_decided: bool = False
    budget_s: float | None = None
    trials: tuple[PlannedRun, ...] = ()  # that are to do before the values of its rows are chosen
    tune: Tune | None = None

    @property
    def sharing(self) -> int:
        """How many runs at a time share the free memory."""
        return self.jobs if self.site.sharing else 1

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
        )


def open_study(options: RunOptions, judged: LookOptions = ONE_LOOK, site: Site = HERE) -> StudyRun:
    """Resolve matrix and models, load the data, plan against the records in the folder. Raises UserError.

    site: where the runs are to be done.
    """
    looks = asked_looks(judged, options.seeds)
    if options.engine == "plain" and options.precision == "bfloat16":
        raise UserError(
            "--precision bfloat16: the plain engine is always in float32; leave it out, or --engine fast"
        )
    accepted = accept_terms(options.accept_licence)
    matrix = load_matrix(options.matrix)
    models, why = choose_all(options.models, site.has_cuda, checkpoint_reachable)
    changes = dict(parse_set(text) for text in options.changes)
    vary = parse_vary(options.vary)
    narrowed = (split_names(options.only), split_names(options.skip))
    resolved = resolve_on(matrix, models, changes, *narrowed)
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
    own_name = study_name(matrix.name, models, data.name, options.engine, vary, options.limit)
    if options.splits != "random":
        own_name += f"-{options.splits}"
    if matrix.tune is not None and tune is None:
        own_name += "-untuned"
    name = options.out.name if options.out else own_name
    folder = options.out or RESULTS / name
    check_folder(folder)
    tuned = Tuning((), ())
    if tune is not None:
        on = StudyOn(data.source_fingerprint, options.engine, checkpoints_of(resolved.rows))
        tuned = choices(folder, resolved.rows, tune, FIRST_SEED, on)
    values = {each.row: each.values for each in tuned.rows}
    resolved = resolve_on(matrix, models, changes, *narrowed, values)
    warnings = [*data.warnings, *resolved.warnings]
    seeds = make_seeds(looks[-1], vary)
    records = load_records(folder)
    study = Study(
        name=name,
        matrix=matrix.name,
        about=matrix.about,
        models=",".join(models),
        engine=options.engine,
        baseline=resolved.baseline,
        questions=resolved.questions,
        rows=list(resolved.rows),
        seeds=seeds,
        scheme=scheme_of(looks, seeds),
        metric=metric_of(folder, options.metric, records),
        dataset=dataset_facts(data),
        checkpoints=checkpoints_of(resolved.rows),
        notes=list(data.notes),
        warnings=list(warnings),
        tuned=list(tuned.rows),
        command=shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
    )
    device = choose_device(options.device, site.has_cuda)
    check_same_study(folder, study, records)
    plan = make_plan(
        study,
        records,
        reachable=checkpoint_reachable,
        retry_failed=options.retry_failed,
    )
    messages = [*accepted, why, *checkpoint_notes(plan), *data.notes]
    warnings += unknown_checkpoints(folder, study, records)
    if any(run.state == "todo" for run in plan) and (busy := busy_share()) > BUSY:
        warnings.append(f"other programs use {busy:.0%} of the CPU: {BUSY_REMEDY}")
    free_bytes = site.free_bytes(device)
    manifest, notes = reported_study(folder, study, records)
    messages += notes
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
        free_bytes,
        messages,
        tuple(warnings),
        site,
        options.precision,
        site.n_jobs(options.jobs, (run.recipe for run in plan if run.state == "todo"), device),
        judged.until_decided,
        parse_budget(judged.budget) if judged.budget else None,
        _unblocked(tuned.todo, plan),
        tune,
    )


def _unblocked(trials: Iterable[PlannedRun], plan: Iterable[PlannedRun]) -> tuple[PlannedRun, ...]:
    """The trials of rows that can run here."""
    blocked = {row for run in plan if run.state == "blocked" for row in run.rows}
    return tuple(trial for trial in trials if not blocked & set(trial.rows))


def parse_vary(texts: list[str]) -> tuple[Series, ...]:
    """From ["init,order"] to what varies together, one series a text. Raises UserError for other names."""
    series = []
    for text in texts:
        asked = split_names([text])
        if not asked or (unknown := set(asked) - set(SEED_KINDS)):
            what = f"no seed is called {sorted(unknown)[0]!r}" if asked else "nothing would vary"
            raise UserError(f"--vary {text!r}: {what}: use one or more of {','.join(SEED_KINDS)}")
        series.append(tuple(kind for kind in SEED_KINDS if kind in asked))
    return tuple(dict.fromkeys(series))


def make_seeds(n: int, vary: tuple[Series, ...]) -> list[Seeds]:
    """The seeds of a study: the published one, then n - 1 for each series, further by one in what varies."""
    seeds = [Seeds(init=FIRST_SEED, order=FIRST_SEED, split=FIRST_SEED)]
    seeds += [
        seeds[0].model_copy(update=dict.fromkeys(kinds, FIRST_SEED + i))
        for kinds in vary
        for i in range(1, n)
    ]
    return seeds


def study_name(
    matrix: str,
    models: Sequence[str],
    dataset: str,
    engine: str,
    vary: tuple[Series, ...] = TOGETHER,
    limit: int | None = None,
) -> str:
    """Folder of a study: its models, and whatever is not the default (full, sms-spam, fast, all seeds vary)."""
    parts = ["+".join(map(_model_name, models))]
    if matrix != "full":
        parts.append(matrix)
    if dataset != "sms-spam":
        parts.append(Path(dataset).stem)
    if limit is not None:
        parts.append(f"limit{limit}")
    if engine != "fast":
        parts.append(engine)
    if vary != TOGETHER:
        parts += ["vary", *("+".join(kinds) for kinds in vary)]
    return "-".join(parts)


def _model_name(model: str) -> str:
    """Of a checkpoint's folder the name and a digest of the whole path, as many checkpoints are called "final"."""
    if is_local_folder(model):
        path = Path(model).resolve()
        return f"{path.name}-{hashlib.sha256(str(path).encode()).hexdigest()[:6]}"
    repo, revision = split_revision(model)
    return Path(repo).name + (f"@{revision.replace('/', '-')}" if revision else "")


def check_varies(data: Dataset, vary: tuple[Series, ...]) -> None:
    """Raises UserError for seeds of the split alone where every part is given: their runs would be equal."""
    if "validation" in data.given and ("split",) in vary:
        raise UserError(
            "--vary split: train, validation and test rows are given, so nothing would vary: leave it out"
        )


def check_training_parts(rows: Iterable[Row], data: Dataset) -> None:
    """Raises UserError for a row that asks for more training texts than there are, for fewer than classes, or for
    weights of classes that have none."""
    for row in rows:
        if not row.excluded:
            try:
                check_class_weight(row.recipe, with_train_size(data, row.recipe.train_size))
            except UserError as error:
                raise UserError(f"row {row.name!r}: {error}") from error


def check_folder(folder: Path) -> None:
    """Raises UserError where results cannot go into `folder`."""
    if path_kind(folder) == "file":
        raise UserError(f"--out {folder} is a file: name a folder, or a name that is free")


def split_names(values: Collection[str]) -> list[str]:
    """From ["a,b", "c"] to ["a", "b", "c"]."""
    return [name.strip() for value in values for name in value.split(",") if name.strip()]
