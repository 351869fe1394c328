"""Several models in one study: every row of the matrix on each of them, compared within its model.

A matrix may always have rows with another model than the baseline's (`set = { model = "mini" }`). The axis writes such
rows for the whole matrix: the first model's baseline is the study's, the other models' baselines are rows against it,
and all other rows are against the baseline, or row, of their own model. Rows that say themselves which model they are
about, such as TF-IDF, are there once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.records.study import Row
from bench.study.matrix import Matrix
from bench.study.plan import choose_models
from bench.study.resolve import Resolved, has_own_model, resolve
from gptcore.backbones.checkpoints import folder_label, is_local_folder
from gptcore.backbones.hub import split_revision
from gptcore.errors import UserError
from gptcore.paths import path_kind

MODELS_QUESTION = "models"
BETWEEN = ": "  # of a model and a row, in a row's name
Values = Mapping[str, Mapping[str, Any]]  # row -> field -> value


@dataclass(frozen=True)
class _Place:
    """Where a row with a model of its own is: on the model `label`, under its name or that of a row that it equals."""

    label: str
    name: str


def choose_all(
    asked: str, has_cuda: Callable[[], bool | None], reachable: Callable[[str], bool]
) -> tuple[tuple[str, ...], str]:
    """The models, or families, that a study runs on, from "a,b,c", and the reason in one line.

    A folder whose name has a comma is one. Raises UserError as `choose_models` does, and for a name given twice.
    """
    names = [name.strip() for name in asked.split(",")]
    if len(names) == 1 or path_kind(Path(asked)) == "folder":
        model, why = choose_models(asked, has_cuda, reachable)
        return (model,), why
    if not all(names):
        raise UserError(f"--models {asked}: a name is missing beside a comma: write a,b,c")
    if "auto" in names:
        raise UserError(f"--models {asked}: auto chooses one model: name each, or give auto alone")
    models = tuple(choose_models(name, has_cuda, reachable)[0] for name in names)
    return models, f"running on {', '.join(models)}, as requested: each row on each model"


def resolve_on(
    matrix: Matrix,
    models: Sequence[str],
    overrides: Mapping[str, Any] | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    tuned: Mapping[str, Mapping[str, Any]] | None = None,
) -> Resolved:
    """The rows of a matrix on each of `models`, as `resolve` has them on one; with one they are just these.

    `only` and `skip` name a row on all models ("last-layer") or on one ("mini: last-layer"). Raises UserError.
    """
    if len(models) == 1:
        return resolve(matrix, models[0], overrides, only, skip, tuned)
    bases = [resolve(matrix, model, overrides).rows[0].recipe.model for model in models]
    labels = _labels(bases)

    def on_each(values: Values) -> dict[str, Resolved]:
        found = {}
        for model, label in zip(models, labels, strict=True):
            kept = _of_model(only, label, labels) or ([matrix.baseline.name] if only else [])
            mine = {name.removeprefix(label + BETWEEN): chosen for name, chosen in values.items()}
            found[label] = resolve(matrix, model, overrides, kept, _of_model(skip, label, labels), mine)
        return found

    each = on_each({})
    places = _places(matrix, each)  # by the matrix's recipes: chosen values bring no row and remove none
    if tuned:
        shared = {name: tuned[place.name] for name, place in places.items() if place.name in tuned}
        each = on_each({**tuned, **shared})
    rows = [row for label, resolved in each.items() for row in _on_model(matrix, label, resolved)]
    rows = [rows[0], *(_against_first(rows[0], row) for row in rows[1:])]
    rows += _own_models(each, places)
    warned = {
        name: warning
        for resolved in each.values()
        for name, warning in resolved.warned.items()
        if not has_own_model(matrix, name) or name in {row.name for row in rows}
    }
    question = {MODELS_QUESTION: "What does another model change?"}
    return Resolved(rows[0].name, tuple(rows), warned, question | matrix.questions)


def _labels(models: Sequence[str]) -> list[str]:
    """Each model in row names: its name, or the last part of its path or hub id where that says which it is.

    Never a whole path: row names go into reports and to trackers.
    """
    short = []
    for model in models:
        repo, revision = split_revision(model)
        short.append(Path(repo).name + (f"@{revision}" if revision else ""))
    labels = [
        name if short.count(name) == 1 else folder_label(model) if is_local_folder(model) else model
        for name, model in zip(short, models, strict=True)
    ]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise UserError(f"--models: {twice} is there twice: name each model once")
    return labels


def _of_model(names: Sequence[str], label: str, labels: Sequence[str]) -> list[str]:
    """The names, less what belongs to another model and without the model's own."""
    others = tuple(other + BETWEEN for other in labels if other != label)
    return [name.removeprefix(label + BETWEEN) for name in names if not name.startswith(others)]


def _on_model(matrix: Matrix, label: str, resolved: Resolved) -> list[Row]:
    """The rows that a model shares with the others, named after it."""
    return [
        row.model_copy(
            update={
                "name": label + BETWEEN + row.name,
                "against": None if row.against is None else label + BETWEEN + row.against,
                "matrix_row": row.name,
            }
        )
        for row in resolved.rows
        if not has_own_model(matrix, row.name)
    ]


def _against_first(first: Row, row: Row) -> Row:
    """A model's baseline becomes a row against that of the first model; other rows stay."""
    if row.against is not None:
        return row
    found = {
        name: value
        for name, value in row.recipe.model_dump(mode="json", include=set(row.recipe.relevant)).items()
        if getattr(row.recipe, name) != getattr(first.recipe, name)
    }
    return row.model_copy(update={"against": first.name, "changes": found, "question": MODELS_QUESTION})


def _places(matrix: Matrix, each: Mapping[str, Resolved]) -> dict[str, _Place]:
    """The rows with a model of their own, each on the first model with which it can run.

    A row whose recipe is there already, as its model is one of the study's, is that row.
    """
    there = {
        row.recipe.id: row.name
        for label, resolved in each.items()
        for row in _on_model(matrix, label, resolved)
    }
    places: dict[str, _Place] = {}
    for resolved in each.values():
        for row in resolved.rows:
            if has_own_model(matrix, row.name) and row.name not in places:
                found = _by_label(row.name, each)
                label = next((label for label, one in found.items() if not one.excluded), next(iter(found)))
                places[row.name] = _Place(label, there.get(found[label].recipe.id, row.name))
    return places


def _own_models(each: Mapping[str, Resolved], places: Mapping[str, _Place]) -> list[Row]:
    """The rows with a model of their own, once, less those that are there already."""
    rows = []
    for name, place in places.items():
        if place.name != name:
            continue
        found = _by_label(name, each)
        row = found[place.label]
        above = places.get(row.against or "")
        against = above.name if above else f"{place.label}{BETWEEN}{row.against}"
        excluded = row.excluded
        if excluded and len({other.excluded for other in found.values()}) > 1:  # each names its own model
            excluded = f"this row is about {row.recipe.model}; the study runs on {', '.join(each)}"
        rows.append(row.model_copy(update={"against": against, "excluded": excluded}))
    return rows


def _by_label(name: str, each: Mapping[str, Resolved]) -> dict[str, Row]:
    """A row on each model that has it."""
    return {label: row for label, resolved in each.items() for row in resolved.rows if row.name == name}
