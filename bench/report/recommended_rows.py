"""The rows that a recommendation has compared, a line each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.evidence.results import RowResult
from bench.recommend.answer import Answer, Choice
from bench.report.text import MISSING, seconds
from bench.report.units import unit_of
from gptcore.recipe import Recipe


def row_headers(answer: Answer) -> tuple[str, ...]:
    """Of `row_cells`, without the row's name and what it is."""
    unit = unit_of(answer.results.metric)
    difference = f"Difference from the best, {unit.name}"
    return "Seeds", unit.own_column, difference, "Loss > margin", "Training, s"


def row_cells(answer: Answer) -> list[list[str]]:
    """A line for the constant answer, then one for each row that ran, the cheapest first."""
    choice = answer.choice
    rows = sorted(answer.results.finished, key=lambda row: choice.seconds.get(row.name, 0.0))
    return [_constant_cells(choice), *(_cells(choice, row) for row in rows)]


def _constant_cells(choice: Choice) -> list[str]:
    """The score of always answering the same, on the held-out texts of the chosen row's seeds."""
    unit = unit_of(choice.metric)
    counts = [np.array(record.dataset.test_label_counts) for record in choice.row.done]
    score = np.mean([choice.metric.constant(of_seed[of_seed > 0] / of_seed.sum()) for of_seed in counts])
    what_it_is = f"always answering {unit.constant}"
    return ["constant", what_it_is, str(len(counts)), unit.bare(float(score)), MISSING, MISSING, seconds(0.0)]


def what(recipe: Recipe) -> str:
    """A recipe in a few words."""
    weights = "" if recipe.class_weight is None else ", small classes weigh more"
    if recipe.backbone is None:
        parts = "words" if recipe.ngrams == "words" else "words and characters"
        return f"TF-IDF of {parts} and logistic regression, no GPT{weights}"
    model = Path(recipe.model).name
    if recipe.trainer != "network":
        return f"logistic regression on what {model} makes of a text{weights}"
    return f"{model}, train = {recipe.train_name}, lr = {recipe.lr:g}{weights}"


def against_best(choice: Choice, name: str, *, with_unit: bool = False) -> str:
    """A row's difference from the best one, with its interval."""
    if (found := choice.against_best.get(name)) is None:
        return MISSING
    unit = unit_of(choice.metric)
    text = unit.between(found.against_best.estimate.interval())
    return f"{text} {unit.name}" if with_unit else text


def _cells(choice: Choice, row: RowResult) -> list[str]:
    unit, took = unit_of(choice.metric), row.seconds()
    score = unit.score_interval(row.interval_of(choice.metric))
    return [
        row.name + (" ←" if row.name == choice.row.name else ""),
        what(row.row.recipe),
        str(len(row.done)),
        f"{unit.bare(row.score(choice.metric))} ({score})",
        "best" if row.name == choice.best.name else against_best(choice, row.name),
        _loss(choice, row.name),
        seconds(sum(took) / len(took)) if took else MISSING,
    ]


def _loss(choice: Choice, name: str) -> str:
    """Of more than the margin: whether it is ruled out."""
    within, found = choice.within.get(name), choice.against_best.get(name)
    if within is None:
        return MISSING
    if within.is_shown:
        return "ruled out"
    return "shown to be worse" if found and found.is_worse else "not ruled out"
