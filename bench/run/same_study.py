"""Checks whether a study may continue in a folder that already holds runs. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import isclose
from pathlib import Path

from bench.evidence.metric import METRICS
from bench.evidence.results import planned_margin
from bench.records.record import Record
from bench.records.store import load_records, load_study
from bench.records.study import Row, Study
from bench.run.looks import continued
from gptcore.backbones.config import REGISTRY
from gptcore.backbones.fingerprint import checkpoint_fingerprint
from gptcore.errors import UserError
from gptcore.metric_names import MetricName
from gptcore.wording import pluralise


def checkpoints_of(rows: Iterable[Row]) -> dict[str, str]:
    """Model -> SHA-256 over its checkpoint's files, for those of the rows' models that are on this machine.

    Raises UserError where a checkpoint cannot be read.
    """
    models = dict.fromkeys(m for row in rows if not row.excluded and (m := row.recipe.backbone) is not None)
    found = {model: checkpoint_fingerprint(model) for model in models}
    return {model: digest for model, digest in found.items() if digest is not None}


LACK_GROUPS = "runs of an earlier version, which do not say what group each test text belongs to"


@dataclass(frozen=True)
class StudyOn:
    """What runs must have in common with their study. source_fingerprint: of its data; checkpoints: model -> SHA-256
    over its checkpoint's files."""

    source_fingerprint: str
    engine: str
    checkpoints: Mapping[str, str]


def other_study(record: Record, on: StudyOn, runs: str = "runs") -> str | None:
    """How a run shows that it is of another study, in words; None where it does not. runs: what it is called."""
    then = record.weights.checkpoint if record.weights else None
    now = on.checkpoints.get(record.recipe.model)
    if record.dataset.source_fingerprint != on.source_fingerprint:
        return f"{runs} on other data ({record.dataset.name})"
    if record.engine != on.engine:
        return f"{runs} of the {record.engine} engine"
    if None not in (then, now) and then != now:
        return f"{runs} of {record.recipe.model} with different checkpoint files ({record.run_id})"
    return None


def check_same_study(
    folder: Path, study: Study, records: Mapping[str, Record], changed: Collection[str] = ()
) -> None:
    """Raises UserError if new runs would replace, or be mixed with, runs that are not comparable.

    changed: the recipe fields that --set gives.
    """
    for record in records.values():
        if record.status != "skipped" and (what := difference(record, study)):
            raise UserError(f"{folder} holds {what}: choose another folder with --out")
    done = {record.recipe_id for record in records.values() if record.status == "done"}
    if done:
        _check_rows(folder, study, done, changed)


def lacks_groups(record: Record, *, by_group: bool) -> bool:
    """Whether a run does not say which group each test text belongs to, where rows are judged by_group."""
    return by_group and record.test is not None and record.test.groups is None


def difference(record: Record, study: Study) -> str | None:
    """What a folder with this record holds that is not of the study; None where the record belongs to it."""
    if record.dataset.limit != study.dataset.limit:
        return f"runs with --limit {_limit(record.dataset.limit)}, not {_limit(study.dataset.limit)}"
    on = StudyOn(study.dataset.source_fingerprint, study.engine, study.checkpoints)
    if (what := other_study(record, on)) is not None:
        return what
    if lacks_groups(record, by_group=study.dataset.n_test_groups is not None):
        return LACK_GROUPS
    if record.dataset.splits != study.dataset.splits:
        return f"runs with --splits {record.dataset.splits}"
    if record.seed_index < len(study.seeds) and record.seeds != study.seeds[record.seed_index]:
        return f"runs with other seeds ({record.run_id})"
    return None


def metric_of(folder: Path, asked: MetricName | None) -> MetricName:
    """By which the rows of a study in `folder` are judged. Raises UserError where it has results by another one."""
    try:
        planned = load_study(folder).metric
    except UserError:  # no manifest, or a damaged one
        return asked or "accuracy"
    if asked is None or asked == planned:
        return planned
    if any(record.status == "done" for record in load_records(folder).values()):
        raise UserError(
            f"--metric {asked}: {folder} has results and judges by {planned}, which was fixed before the first run: "
            f"leave --metric out, choose another folder with --out, or try `report --metric {asked}`"
        )
    return asked


def margin_of(folder: Path, asked: float | None, metric: MetricName) -> float | None:
    """The margin of scores that a study in `folder` has planned; None: that of its design.

    asked: in points, of log-loss nats. Raises UserError where the folder has results by another one.
    """
    judged_by = METRICS[metric]
    try:
        there = load_study(folder)
    except UserError:  # no manifest, or a damaged one
        return judged_by.margin(asked)
    if asked is None:  # a margin has the unit of its metric
        return there.margin if there.metric == metric else None
    margin, planned = judged_by.margin(asked), planned_margin(there, judged_by)
    assert margin is not None
    if not any(record.status == "done" for record in load_records(folder).values()):
        return margin
    if not isclose(margin, planned):
        raise UserError(
            f"--margin {asked:g}: {folder} has results and judges with {judged_by.shown(planned):g}, which was fixed "
            f"before the first run: leave --margin out, choose another folder with --out, or try `report --margin "
            f"{asked:g}`"
        )
    return there.margin


def _check_rows(folder: Path, study: Study, done: Collection[str], by_set: Collection[str]) -> None:
    """A row with results keeps its recipe, or the report would lose them without a word.

    Weights divide the significance level between rows, so they may not be chosen after seeing results. done: ids of
    the recipes that have finished runs; by_set: fields that --set gives.
    """
    try:
        before = {row.name: row for row in load_study(folder).rows}
    except UserError:  # no manifest, or a damaged one: nothing is known of its rows
        return
    for row in study.rows:
        was = before.get(row.name)
        if row.weight != (weight := was.weight if was else None):
            raise UserError(
                f"row {row.name!r}: weight = {_weight(row.weight)}, but {folder} has results with {_weight(weight)}: "
                "weights must be fixed before the first run: restore it, or choose another folder with --out"
            )
        if was and was.recipe.id in done and was.recipe.id != row.recipe.id:
            matters = row.recipe.choices().keys() | was.recipe.choices().keys()
            changed = row.recipe.differences(was.recipe)
            name, (then, now) = next((name, each) for name, each in changed.items() if name in matters)
            remedy = (
                f"leave out --set {name}" if name in by_set else "restore it, add the change as another row"
            )
            raise UserError(
                f"row {row.name!r}: {name} = {now!r}, but {folder} has results of that row with {then!r}: {remedy}, "
                "or choose another folder with --out"
            )


def _limit(limit: int | None) -> str:
    return "left out" if limit is None else f"{limit:,}"


def _weight(weight: float | None) -> str:
    return "none" if weight is None else f"{weight:g}"


def unknown_checkpoints(folder: Path, study: Study, records: Mapping[str, Record]) -> list[str]:
    """A warning for each checkpoint whose finished runs do not record which files they read."""
    models = {
        record.recipe.model: None
        for record in records.values()
        if record.weights and record.weights.checkpoint is None and record.recipe.model not in REGISTRY
    }
    return [
        f"runs in {folder} do not record which checkpoint files they read: if {model} has changed since, "
        "use another --out"
        for model in models
        if model in study.checkpoints
    ]


def reported_study(folder: Path, study: Study, records: Mapping[str, Record]) -> tuple[Study, list[str]]:
    """The larger study in the folder that this one is part of, so that its report stays complete; else this one.

    Both with the looks that the study has planned, or the numbers of seeds at which it was judged without a plan.
    Raises UserError where the report would lose finished runs.
    """
    try:
        there = load_study(folder)
    except UserError:  # there is none, or it is damaged and will be rewritten
        return study.model_copy(update={"looks": []}), []
    before = _looks(there, study, records)
    planned = {"looks": before, "scheme": continued(there, study, records, before)}
    study = study.model_copy(update=planned)
    beyond = {row.name for row in there.rows} - {row.name for row in study.rows}
    if not beyond and len(there.seeds) <= len(study.seeds):
        return study, []
    if _is_part(study, there):
        seeds = max(there.seeds, study.seeds, key=len)
        size = f"{pluralise(len(there.rows), 'row')} x {pluralise(len(seeds), 'seed')}"
        warnings = list(dict.fromkeys([*study.warnings, *there.warnings]))
        # Facts about the data are extended over time; the fingerprint decides whether the data are the same.
        now = {
            "dataset": study.dataset,
            "notes": study.notes,
            "warnings": warnings,
            "seeds": seeds,
            "margin": study.margin,
        }
        whole = there.model_copy(update=planned | now)
        return whole, [f"this is part of the study in {folder}; the report still covers all of it ({size})"]
    _check_keeps_results(folder, study, there, records)
    if beyond:
        return study, [f"the report in {folder} will cover only this study; other records there are kept"]
    return study, []


def _is_part(study: Study, there: Study) -> bool:
    """Whether all rows of a study are rows of the other one, on the same data and first seeds."""

    def common(one: Study) -> tuple[str, ...]:
        return (one.dataset.fingerprint, one.engine, one.metric, one.baseline)

    def rows(one: Study) -> set[tuple[str, str, str | None, float | None]]:
        return {(row.name, row.recipe.id, row.against, row.weight) for row in one.rows}

    same_seeds = all(one == other for one, other in zip(there.seeds, study.seeds, strict=False))
    return same_seeds and common(study) == common(there) and rows(study) <= rows(there)


def _check_keeps_results(folder: Path, study: Study, there: Study, records: Mapping[str, Record]) -> None:
    """Raises UserError where finished runs of the study that is there are not of this one."""
    kept = {row.recipe.id for row in study.rows}
    lost = {
        record.recipe_id
        for record in records.values()
        if record.status == "done"
        and (record.recipe_id not in kept or len(study.seeds) <= record.seed_index < len(there.seeds))
    }
    names = [row.name for row in there.rows if row.recipe.id in lost]
    if names:
        raise UserError(
            f"the report in {folder} would lose results of {names[0]!r}{_more(len(names) - 1)}, which are not of this "
            "study: choose another folder with --out, or run all rows and seeds that are there"
        )


def _more(n: int) -> str:
    return f" and {pluralise(n, 'more row')}" if n else ""


def _looks(there: Study, study: Study, records: Mapping[str, Record]) -> list[int]:
    """Numbers of seeds with which rows of this study were judged by earlier calls without a scheme, if known."""
    if there.scheme is not None:
        return []
    common = {row.recipe.id for row in there.rows} & {row.recipe.id for row in study.rows}
    if not common or any(one != other for one, other in zip(there.seeds, study.seeds, strict=False)):
        return []
    if there.looks is not None:
        return there.looks
    last = len(there.seeds) - 1
    done = any(
        r.status == "done" and r.seed_index == last and r.recipe_id in common for r in records.values()
    )
    return [len(there.seeds)] if done else []
