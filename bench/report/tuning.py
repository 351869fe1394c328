"""Values that were chosen for rows on validation data, and what an untuned study has instead."""

from __future__ import annotations

from pathlib import Path

from bench.evidence.metric import ACCURACY, METRICS
from bench.evidence.results import Results, RowResult, collect
from bench.records.store import MANIFEST, load_records, load_study
from bench.records.study import UNTUNED, Study, Trial, TunedRow
from bench.report.table import markdown_table
from bench.report.tables import section
from bench.report.text import changes, escape, join
from bench.report.units import Unit, unit_of
from gptcore.recipe import Recipe
from gptcore.wording import pluralise

_HOW_TO_READ = """\
Every row had the same number of trials, on seeds that the study does not use. They saw no text of the test part: the \
validation part of their own splits stood in for it. All values were tried with fewer epochs first, and the better \
half went on; in parentheses, the last {score} on validation data and the epochs it took."""

_BOTH = """\
*Own* values are those above. *Common* ones are the matrix's, from the study in \
`{folder}` ({seeds}), which ran with `--tune off`. Its seeds draw the test texts anew and those of this study share \
one test part, so each figure has its own interval (95%) and no p."""


def untuned_beside(folder: Path, results: Results) -> Results | None:
    """The study of the same data without chosen values that lies beside this one, as `--tune off` names it, or None.

    Same data are those of the same name and classes: a tuned study keeps its test part, so its splits, and with them
    its fingerprints, are others. Raises UserError where the study is damaged.
    """
    folder = folder.resolve()
    beside = folder.with_name(folder.name + UNTUNED)
    if not results.study.tuned or not (beside / MANIFEST).is_file():
        return None
    study = load_study(beside)
    if study.tuned or _classes(study) != _classes(results.study):
        return None
    return collect(study, list(load_records(beside).values()), metric=results.metric.name)


def _classes(study: Study) -> tuple[object, ...]:
    data = study.dataset
    return data.name, data.label_names, data.label_counts, data.limit


def tuning_section(results: Results, untuned: Results | None = None) -> list[str]:
    """The table of chosen values and of what was tried; nothing for a study whose rows were not tuned.

    untuned: the study with the matrix's own values, for a second table with both figures of a row.
    """
    tuned = results.study.tuned
    if not tuned:
        return []
    unit = unit_of(METRICS[results.study.metric])
    rows = [[escape(each.row), escape(changes(each.values)), escape(_tried(each, unit))] for each in tuned]
    return [
        section(results, "Values chosen for each row", ["Row", "Chosen", "Tried"], rows, "lll"),
        _HOW_TO_READ.format(score="accuracy in %" if unit.metric is ACCURACY else unit.metric.title),
        *_cost(results),
        *(_both_figures(results, untuned) if untuned else ()),
    ]


def _cost(results: Results) -> list[str]:
    """What choosing took beside the runs; nothing where the manifest does not have it."""
    trials = [trial.seconds for each in results.study.tuned for trial in each.trials]
    known = [seconds for seconds in trials if seconds is not None]
    if len(known) < len(trials):
        return []
    runs_s = sum(run.spent_s for run in results.runs)
    return [f"Choosing the values took {sum(known) / 60:.1f} min, the study's runs {runs_s / 60:.1f} min."]


def _both_figures(results: Results, untuned: Results) -> list[str]:
    """The rows that ran with their own values and with the common ones, and differ in nothing else."""
    of_metric, others = unit_of(results.metric), {result.name: result for result in untuned.finished}
    rows = []
    for each in results.study.tuned:
        own, common = results.row(each.row), others.get(each.row)
        if not own.done or common is None or _with(common, each) != own.recipe_id:
            continue
        values = {name: getattr(common.row.recipe, name) for name in each.values}
        cells = [_figure(own, of_metric), escape(changes(values)), _figure(common, of_metric)]
        rows.append([escape(each.row), escape(changes(each.values)), *cells])
    if not rows:
        return []
    column = of_metric.score_column
    headers = ["Row", "Own values", column, "Common values", column]
    said = _BOTH.format(folder=escape(untuned.study.name), seeds=pluralise(len(untuned.study.seeds), "seed"))
    return ["### At own and at common values", markdown_table(headers, rows, "llrlr"), said]


def _with(common: RowResult, tuned: TunedRow) -> str:
    """The recipe id of a row with the values that were chosen."""
    return Recipe.model_validate(common.row.recipe.model_dump() | tuned.values).id


def _figure(result: RowResult, unit: Unit) -> str:
    """A score with its interval: 95.00 (91.9 to 97.0)."""
    return f"{unit.bare(result.score(unit.metric))} ({unit.score_interval(result.interval_of(unit.metric))})"


def warnings_of(results: Results) -> list[str]:
    """What the data, the matrix and the chosen values of rows leave open."""
    return [*results.study.warnings, *filter(None, [end_warning(results)])]


def end_warning(results: Results) -> str:
    """The rows whose chosen number is the smallest or the largest that was tried; empty where there are none."""
    found = [(each.row, ends) for each in results.study.tuned if (ends := _at_ends(each))]
    if not found:
        return ""
    rows = join(f"{row} ({changes(ends)})" for row, ends in found)
    return f"The smallest or largest value that was tried was chosen, so one beyond it may be better: {rows}"


def _at_ends(tuned: TunedRow) -> dict[str, float]:
    """Field -> its chosen value, where that is an end of the two numbers or more that there were, and one may go on."""
    return {
        name: value
        for name, value in tuned.values.items()
        if len(of := {each for each in tuned.grid[name] if _is_number(each)}) > 1
        and value in (min(of), max(of))
        and value != _least(name)
    }


def _least(name: str) -> float | None:
    """The smallest value of a recipe's field, such as no weight decay or one epoch; None where there is none."""
    field = Recipe.model_fields.get(name)
    return next((rule.ge for rule in field.metadata if hasattr(rule, "ge")), None) if field else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tried(tuned: TunedRow, unit: Unit) -> str:
    """Every choice with its last trial, in the order in which they were first tried."""
    last: dict[str, Trial] = {changes(trial.values): trial for trial in tuned.trials}
    order = dict.fromkeys(changes(trial.values) for trial in tuned.trials)
    return "; ".join(f"{values} ({_outcome(last[values], unit)})" for values in order)


def _outcome(trial: Trial, unit: Unit) -> str:
    found = unit.bare(trial.accuracy if trial.score is None else trial.score)
    return f"{found}, {pluralise(trial.epochs, 'epoch')}"
