"""What the trained classifiers of a row take to ship and to ask, where its runs measured it."""

from __future__ import annotations

from statistics import median

from bench.evidence.results import Results, RowResult
from gptcore.result import ServingCost


def serving_of(result: RowResult) -> ServingCost | None:
    """Medians over the finished runs that have them; None where none has."""
    found = [cost for run in result.done if run.cost and (cost := run.cost.serving)]
    if not found:
        return None
    values = {}
    for name in ServingCost.model_fields:
        known = [value for cost in found if (value := getattr(cost, name)) is not None]
        whole = all(isinstance(value, int) for value in known)
        values[name] = (int(median(known)) if whole else median(known)) if known else None
    return ServingCost(**values)


def served_rows(results: Results) -> list[tuple[RowResult, ServingCost | None]]:
    """The finished rows with those figures; no rows where none has any, as in older studies."""
    rows = [(result, serving_of(result)) for result in results.finished]
    return rows if any(cost for _, cost in rows) else []
