"""Values that were chosen for rows on validation data, and what an untuned study has instead."""

from __future__ import annotations

from bench.evidence.metric import ACCURACY, METRICS
from bench.evidence.results import Results
from bench.records.study import Trial, TunedRow
from bench.report.tables import section
from bench.report.text import changes, escape, join
from bench.report.units import Unit, unit_of
from gptcore.recipe import Recipe
from gptcore.wording import pluralise

_HOW_TO_READ = """\
Every row had the same number of trials, on seeds that the study does not use. They saw no text of the test part: the \
validation part of their own splits stood in for it. All values were tried with fewer epochs first, and the better \
half went on; in parentheses, the last {score} on validation data and the epochs it took."""


def tuning_section(results: Results) -> list[str]:
    """The table of chosen values and of what was tried; nothing for a study whose rows were not tuned."""
    tuned = results.study.tuned
    if not tuned:
        return []
    unit = unit_of(METRICS[results.study.metric])
    rows = [[escape(each.row), escape(changes(each.values)), escape(_tried(each, unit))] for each in tuned]
    return [
        section(results, "Values chosen for each row", ["Row", "Chosen", "Tried"], rows, "lll"),
        _HOW_TO_READ.format(score="accuracy in %" if unit.metric is ACCURACY else unit.metric.title),
    ]


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
