"""From what the command line asks to a study, its data, its folder and its plan. Imports no torch."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Literal

from bench.records.facts import dataset_facts
from bench.records.record import Record
from bench.records.speed import SpeedStudy
from bench.records.store import load_records, load_speed, load_study, speed_path
from bench.records.study import Row, Study
from bench.run.environment import BUSY, BUSY_REMEDY, busy_share, free_memory_bytes, has_cuda
from bench.study.matrix import closest, load_matrix
from bench.study.plan import PlannedRun, checkpoint_notes, choose_models, make_plan
from bench.study.resolve import parse_set, resolve
from gptcore.backbones.checkpoints import checkpoint_reachable
from gptcore.data.datasets import Dataset, load_dataset
from gptcore.errors import UserError
from gptcore.recipe import Seeds

RESULTS = Path("results")
FIRST_SEED = 123  # of the published study; further seeds count on from it
SeedKind = Literal["init", "order", "split"]
Series = tuple[SeedKind, ...]  # what differs between the seeds of a series, together
SEED_KINDS: Series = ("init", "order", "split")
TOGETHER: tuple[Series, ...] = (SEED_KINDS,)


@dataclass(frozen=True)
class Request:
    """What the user asks for, as the options of `plan` and `run` say it."""

    matrix: str
    models: str
    data: str
    text_column: str | None
    label_column: str | None
    seeds: int
    engine: Literal["fast", "plain"]
    device: Literal["auto", "cpu", "cuda"]
    out: Path | None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    only: list[str] = field(default_factory=list)
    skip: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    vary: tuple[Series, ...] = TOGETHER
    retry_failed: bool = False


@dataclass(frozen=True)
class Prepared:
    """Everything that a run needs. free_bytes: of memory; `messages` and `warnings` are for the user's eyes."""

    folder: Path
    study: Study
    data: Dataset
    manifest: Study  # what the report is about: the study, or a wider one in the folder that it is a part of
    records: dict[str, Record]  # by run id, as the plan knew them
    plan: list[PlannedRun]
    device: str
    free_bytes: int
    messages: list[str]
    warnings: tuple[str, ...]


def prepare(request: Request) -> Prepared:
    """Resolve matrix and models, load the data, plan against the records in the folder. Raises UserError."""
    if request.engine == "plain" and request.precision == "bfloat16":
        raise UserError(
            "--precision bfloat16: the plain engine is always in float32; leave it out, or --engine fast"
        )
    matrix = load_matrix(request.matrix)
    models, why = choose_models(request.models, has_cuda, checkpoint_reachable)
    changes = dict(parse_set(text) for text in request.changes)
    resolved = resolve(matrix, models, changes, _names(request.only), _names(request.skip))
    data = load_dataset(request.data, text_column=request.text_column, label_column=request.label_column)
    name = (
        request.out.name
        if request.out
        else study_name(matrix.name, models, data.name, request.engine, request.vary)
    )
    folder = request.out or RESULTS / name
    _check_folder(folder)
    study = Study(
        name=name,
        matrix=matrix.name,
        about=matrix.about,
        models=models,
        engine=request.engine,
        baseline=resolved.baseline,
        questions=matrix.questions,
        rows=list(resolved.rows),
        seeds=make_seeds(request.seeds, request.vary),
        dataset=dataset_facts(data),
        warnings=list(resolved.warnings),
        command=shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
    )
    device = _device(request.device)
    records = load_records(folder)
    _check_same_study(folder, study, records)
    plan = make_plan(
        study,
        records,
        reachable=checkpoint_reachable,
        retry_failed=request.retry_failed,
    )
    messages = [why, *checkpoint_notes(plan), *data.notes]
    warnings = list(resolved.warnings)
    if any(run.state == "todo" for run in plan) and (busy := busy_share()) > BUSY:
        warnings.append(f"other programs keep {busy:.0%} of the processor busy: {BUSY_REMEDY}")
    free_bytes = free_memory_bytes(device)
    manifest, told = _manifest(folder, study)
    messages += told
    return Prepared(
        folder, study, data, manifest, records, plan, device, free_bytes, messages, tuple(warnings)
    )


@dataclass(frozen=True)
class PreparedSpeed:
    """What `speed` times: rows of one model of `models`, those that are also done whole, the data, the device.

    beyond: rows that the matrix does not have: all layers and LoRA, reading the last real token. before: what was
    measured into the same folder earlier.
    """

    models: str
    rows: list[Row]
    beyond: list[Row]
    whole: list[Row]
    data: Dataset
    device: str
    before: SpeedStudy | None


def prepare_speed(
    models: str,
    data: str,
    only: list[str],
    skip: list[str],
    whole: list[str],
    pairs: int,
    device: str,
    out: Path,
) -> PreparedSpeed:
    """The rows of the full matrix on the baseline's own model, each recipe once. Raises UserError."""
    models, _ = choose_models(models, has_cuda, checkpoint_reachable)
    resolved = resolve(load_matrix("full"), models, {}, _names(only), _names(skip))
    model = resolved.rows[0].recipe.model
    rows: dict[str, Row] = {}
    for row in resolved.rows:
        if row.recipe.model == model and row.excluded is None:
            rows.setdefault(row.recipe.id, row)
    beyond = [
        Row(
            name=f"{row.name}-last-real-token",
            recipe=row.recipe.model_copy(update={"position": "last_real"}),
        )
        for row in rows.values()
        if row.name in ("all-layers", "lora")
    ]
    timed = {row.name: row for row in (*rows.values(), *beyond)}
    for name in _names(whole):
        if name not in timed:
            raise UserError(f"--whole {name}: no such row is timed: {closest(name, timed)}")
    _check_folder(out)
    path = speed_path(out, models)
    before = load_speed(path)
    dataset = load_dataset(data)
    if not pairs and not whole:
        raise UserError("--pairs 0: nothing would be timed: name a row with --whole")
    if not pairs and before is None:
        raise UserError(f"--pairs 0: {path} is not there to be added to: time the rows first, without it")
    if before is not None:
        _check_nothing_is_lost(path, before, dataset, timed if pairs else None)
    return PreparedSpeed(
        models,
        list(rows.values()),
        beyond,
        [timed[name] for name in _names(whole)],
        dataset,
        _device(device),
        before,
    )


def _check_nothing_is_lost(
    path: Path, before: SpeedStudy, data: Dataset, timed: Collection[str] | None
) -> None:
    """Refuse to write over a page of other data, or of rows that are not timed again; None: all rows are kept."""
    if (before.dataset, before.n_train) != (data.name, len(data.train)):
        raise UserError(
            f"{path} is about {before.dataset} with {before.n_train:,} training texts, this is {data.name} with "
            f"{len(data.train):,}: give an --out"
        )
    names = [row.row for row in (*before.rows, *before.beyond)]
    lost = [name for name in names if timed is not None and name not in timed]
    if lost:
        raise UserError(
            f"{path} holds rows that this call does not time and would lose, such as {lost[0]}: give an --out"
        )


def parse_vary(texts: list[str]) -> tuple[Series, ...]:
    """From ["init,order"] to what varies together, one series a text. Raises UserError for other names."""
    series = []
    for text in texts:
        asked = _names([text])
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
    matrix: str, models: str, dataset: str, engine: str, vary: tuple[Series, ...] = TOGETHER
) -> str:
    """Folder of a study: its models, and whatever is not the default (full, sms-spam, fast, all seeds vary)."""
    parts = [Path(models).name]
    if matrix != "full":
        parts.append(matrix)
    if dataset != "sms-spam":
        parts.append(Path(dataset).stem)
    if engine != "fast":
        parts.append(engine)
    if vary != TOGETHER:
        parts += ["vary", *("+".join(kinds) for kinds in vary)]
    return "-".join(parts)


def find_record(run: str) -> Path:
    """A record's file by its path, or by the run's name, with its study's before it where several have it."""
    path = Path(run)
    beside = path.parent / "runs" / f"{path.name.removesuffix('.json')}.json"
    for each in (path, beside):
        if each.is_file():
            return each
    name = path.name.removesuffix(".json")
    study = path.parent.parent.name if path.parent.name == "runs" else path.parent.name
    found = sorted(RESULTS.glob(f"{escape(study) or '*'}/runs/{escape(name)}.json"))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{each.parts[-3]}/{name}" for each in found)
        raise UserError(f"run {run!r} is in several studies: name one of {names}")
    raise UserError(f"run {run!r}: no such file, and no record of that name in {RESULTS}/{study or '*'}/runs")


def _manifest(folder: Path, study: Study) -> tuple[Study, list[str]]:
    """The wider study in the folder that this one is a part of, so that its report stays whole; else this one."""
    try:
        there = load_study(folder)
    except UserError:  # there is none, or it is damaged and written anew
        return study, []
    narrow = {name: getattr(study, name) for name in ("name", "rows", "seeds", "command", "warnings")}
    if there.rows == study.rows and there.seeds == study.seeds:
        return study, []
    rows = {row.name: row for row in there.rows}
    is_part = there.model_copy(update=narrow) == study and there.seeds[: len(study.seeds)] == study.seeds
    if is_part and all(rows.get(row.name) == row for row in study.rows):
        size = f"{len(there.rows)} rows x {len(there.seeds)} seeds"
        return there, [f"a part of the study in {folder}, whose report stays about all of it ({size})"]
    if set(rows) - {row.name for row in study.rows}:
        return study, [f"the report in {folder} will be about this study alone; other records there are kept"]
    return study, []


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder} is a file: name a folder, or a name that is free")


def _check_same_study(folder: Path, study: Study, records: Mapping[str, Record]) -> None:
    """Raises UserError where a run would take the place of a finished one that is not its equal."""
    for record in records.values():
        if record.status == "skipped":
            continue
        same_seeds = record.seed_index >= len(study.seeds) or record.seeds == study.seeds[record.seed_index]
        if record.dataset.source_fingerprint != study.dataset.source_fingerprint:
            what = f"a study on other data ({record.dataset.name})"
        elif record.engine != study.engine:
            what = f"runs of the {record.engine} engine"
        elif not same_seeds:
            what = f"runs whose seeds vary otherwise ({record.run_id})"
        else:
            continue
        raise UserError(f"{folder} holds {what}: choose another folder with --out")


def _device(asked: str) -> str:
    if asked == "auto":
        return "cuda" if has_cuda() else "cpu"
    if asked == "cuda" and not has_cuda():
        raise UserError("--device cuda: no CUDA GPU is usable here; use cpu, or install torch with CUDA")
    return asked


def _names(values: list[str]) -> list[str]:
    return [name.strip() for value in values for name in value.split(",") if name.strip()]
