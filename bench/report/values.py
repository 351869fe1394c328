"""How the values of a study's rows came about, in a line. Plain text: callers escape it."""

from __future__ import annotations

from bench.records.study import Study
from bench.report.text import changes


def tuning_fact(study: Study) -> str | None:
    """One line about how the rows' values came about; None where there is nothing to say."""
    if study.tuned:
        chosen = "; ".join(f"{each.row}: {changes(each.values)}" for each in study.tuned)
        return f"chosen on validation data for each row ({chosen})"
    rates: dict[str, set[float]] = {}
    kinds: dict[str, set[str]] = {}
    for row in study.rows:
        if row.recipe.trainer == "network" and not row.excluded:
            rates.setdefault(row.recipe.model, set()).add(row.recipe.lr)
            kinds.setdefault(row.recipe.model, set()).add(row.recipe.method.kind)
    if any(len(kinds[model]) > 1 and len(rates[model]) == 1 for model in rates):
        return "not tuned: one learning rate for all rows of a model, which favours the methods it suits"
    return None
