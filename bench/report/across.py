"""The same row of the matrix on each model of a study, side by side."""

from __future__ import annotations

from collections.abc import Mapping

from bench.evidence.results import Results, RowResult
from bench.evidence.verdicts import Verdict, judge
from bench.report.tables import section
from bench.report.text import MISSING, escape, join
from bench.report.units import Unit, unit_of

TITLE = "The same row across models"
_NOTE = """\
{score} with its 95% interval; then the row's verdict and its {difference} in {unit} within its model, \
against the same reference row on each. Baselines are compared with that of the first model; other rows are not \
tested across models."""


def note(results: Results) -> str:
    """How to read the table. Plain text."""
    unit = unit_of(results.metric)
    score = f"Test {results.metric.title} in {'percent' if unit.name == 'points' else unit.name}"
    difference = "difference" if unit.name == "points" else "decrease"
    return _NOTE.format(score=score, difference=difference, unit=unit.name)


def across_cells(results: Results) -> list[tuple[str, list[str]]]:
    """Row of the matrix -> a cell of plain text for each model of the study's axis."""
    found: dict[str, dict[str, RowResult]] = {}
    for result in results.rows:
        if (name := result.row.matrix_row) is not None:
            found.setdefault(name, {})[result.row.recipe.model] = result
    verdicts = judge(results)
    return [
        (name, [_cell(of_model.get(model), verdicts, unit_of(results.metric)) for model in results.axis])
        for name, of_model in found.items()
    ]


def without_model(results: Results) -> str:
    """One sentence on rows that need no model, such as TF-IDF; empty without any. Plain text."""
    rows = [result for result in results.finished if result.row.recipe.backbone is None]
    unit = unit_of(results.metric)
    return (
        join(f"{row.name} (once for all models): {_figure(row, unit)}" for row in rows) + "." if rows else ""
    )


def across_section(results: Results) -> str:
    """The table, as Markdown; empty for a study on one model."""
    if not results.axis:
        return ""
    rows = [[escape(name), *map(escape, cells)] for name, cells in across_cells(results)]
    headers = ["Row", *map(escape, results.axis)]
    table = section(results, TITLE, headers, rows, "l" * len(headers))
    return "\n\n".join(filter(None, [table, escape(without_model(results)), note(results)]))


def _cell(result: RowResult | None, verdicts: Mapping[str, Verdict], unit: Unit) -> str:
    if result is None:
        return MISSING
    if not result.done:
        return result.status
    verdict = verdicts.get(result.name)
    if verdict is None:
        return _figure(result, unit)
    return f"{_figure(result, unit)}; {verdict.call}, {unit.signed(verdict.difference.mean)}"


def _figure(result: RowResult, unit: Unit) -> str:
    metric = unit.metric
    return f"{unit.bare(result.score(metric))} ({unit.score_interval(result.interval_of(metric))})"
