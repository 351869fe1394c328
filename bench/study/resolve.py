"""A resolved matrix: its rows as full recipes for one model family, narrowed and changed by the user's options.

A row's recipe is built from these, later ones override earlier ones: Recipe's defaults, the fields of its model,
the baseline's `set`, `--set`, then the `set` of every row on the way from the baseline to the row itself.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from bench.published.table import load_table
from bench.records.study import Row
from bench.study.matrix import DEFAULT_MODELS, Matrix, RowSpec
from gptcore.backbones.checkpoints import known_config
from gptcore.backbones.config import FAMILIES
from gptcore.backbones.hf_config import HFConfig
from gptcore.backbones.layer_names import known_layers
from gptcore.backbones.model_info import AnyConfig
from gptcore.errors import UserError, closest
from gptcore.methods.spelling import METHOD_FIELDS, spell_out
from gptcore.model_defaults import model_defaults
from gptcore.recipe import Recipe, make_recipe
from gptcore.training.fits import fit_obstacle


@dataclass(frozen=True)
class Resolved:
    """Rows in the order of the file, the baseline first. warned: row -> a warning about it; questions: id -> text."""

    baseline: str
    rows: tuple[Row, ...]
    warned: Mapping[str, str]
    questions: dict[str, str]

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings for the reader, each once."""
        return tuple(dict.fromkeys(self.warned.values()))


def parse_set(text: str) -> tuple[str, Any]:
    """From "lr=1e-4" to ("lr", 0.0001). Values are written as in TOML; a bare word is a string.

    Raises UserError where there is no FIELD=VALUE.
    """
    field, equals, value = (part.strip() for part in text.partition("="))
    if not (field and equals and value):
        raise UserError(f"--set {text!r}: write FIELD=VALUE, such as lr=1e-4")
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return field, value
    return field, parsed["value"] if len(parsed) == 1 else value


def parse_sets(texts: Iterable[str]) -> dict[str, Any]:
    """Recipe field -> value, of all that --set says; the last of a field counts. Raises UserError."""
    return dict(parse_set(text) for text in texts)


def resolve(
    matrix: Matrix,
    models: str,
    overrides: Mapping[str, Any] | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    tuned: Mapping[str, Mapping[str, Any]] | None = None,
) -> Resolved:
    """The rows of a matrix on `models`: a family, a registry name, or a checkpoint's path or hub id.

    Rows that belong to another family stay, with `excluded` saying so. `overrides` are the fields of --set,
    `only` names the rows to keep in addition to the baseline and their reference rows. `skip` names rows to leave
    out; rows compared with one of these are compared with its reference instead; `tuned` has values that were chosen
    for rows, by name.
    Raises UserError for unknown names and for values that no recipe allows.
    """
    overrides = spell_out(overrides or {})
    if "model" in overrides:
        raise UserError(f"--set model={overrides['model']}: choose the model with --models")
    make_recipe(overrides, where="--set")
    specs = {row.name: row for row in matrix.all_rows()}
    parents = _parents(matrix, specs, only, skip)
    base_model = matrix.families.get(models) or DEFAULT_MODELS.get(models, models)
    base_values = {**spell_out(matrix.baseline.changes), **overrides}

    recipes = {matrix.baseline.name: _recipe(matrix, base_model, base_values, matrix.baseline.name)}
    for name in parents:
        changes = _changes_on_the_way(matrix, specs, name)
        model = changes.pop("model", base_model)
        recipes[name] = _recipe(matrix, model, {**base_values, **changes}, name)

    for name, values in (tuned or {}).items():
        if name in recipes:
            recipes[name] = Recipe.model_validate(recipes[name].model_dump() | dict(values))

    rows = [_baseline_row(matrix, recipes[matrix.baseline.name], models)]
    rows += [
        _row(
            specs[name], parent, recipes[name], recipes[parent], _excluded(recipes[name], models, base_model)
        )
        for name, parent in parents.items()
    ]
    figures = load_table(matrix.published).rows if matrix.published else {}
    rows = [row.model_copy(update={"published": figures.get(row.name)}) for row in rows]
    chosen = {field for values in (tuned or {}).values() for field in values}
    in_grid = {row.name for row in matrix.grid.rows()} if matrix.grid else set()
    warned = {
        row.name: warning
        for row in rows[1:]
        if row.name not in in_grid and (warning := _warning(matrix, specs[row.name], row, recipes, chosen))
    }
    return Resolved(matrix.baseline.name, tuple(rows), warned, matrix.questions)


def has_own_model(matrix: Matrix, name: str) -> bool:
    """Whether a row says itself which model it is about, such as TF-IDF, whatever the study runs on."""
    specs = {row.name: row for row in matrix.all_rows()}
    return "model" in _changes_on_the_way(matrix, specs, name)


def _parents(
    matrix: Matrix, specs: Mapping[str, RowSpec], only: Sequence[str], skip: Sequence[str]
) -> dict[str, str]:
    """Kept row -> the row it is compared with, in the file's order, without the baseline."""
    baseline = matrix.baseline.name
    for option, names in (("--only", only), ("--skip", skip)):
        for name in names:
            if name not in specs and name != baseline:
                raise UserError(f"{option} {name}: no such row: {closest(name, [baseline, *specs])}")
    if baseline in skip:
        raise UserError(f"--skip {baseline}: the baseline stays, as the other rows are compared with it")
    above = {name: spec.against or baseline for name, spec in specs.items()}
    wanted = set(specs)
    if only:
        wanted = set()
        for name in only:
            while name != baseline:
                wanted.add(name)
                name = above[name]
    wanted -= set(skip)
    parents = {}
    for name in specs:
        if name in wanted:
            parent = above[name]
            while parent in skip:
                parent = above[parent]
            parents[name] = parent
    return parents


def _changes_on_the_way(matrix: Matrix, specs: Mapping[str, RowSpec], name: str) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    while name != matrix.baseline.name:
        changes = {**spell_out(specs[name].changes), **changes}
        name = specs[name].against or matrix.baseline.name
    return changes


def _recipe(matrix: Matrix, model: str, values: dict[str, Any], name: str) -> Recipe:
    brings = {**model_defaults(model), **matrix.models.get(model, {})}
    return make_recipe({**brings, **values, "model": model}, where=f"matrix {matrix.name}: row {name!r}")


def _baseline_row(matrix: Matrix, recipe: Recipe, models: str) -> Row:
    spec = matrix.baseline
    excluded = _excluded(recipe, models, recipe.model)
    return Row(name=spec.name, recipe=recipe, note=spec.note, excluded=excluded)


def _row(spec: RowSpec, parent: str, recipe: Recipe, against: Recipe, excluded: str | None) -> Row:
    # A field that means nothing to this recipe, such as lr to stored features, makes no difference.
    changes = {
        field: value
        for field, value in recipe.model_dump(mode="json", include=set(recipe.relevant)).items()
        if getattr(recipe, field) != getattr(against, field)
    }
    return Row(
        name=spec.name,
        recipe=recipe,
        against=parent,
        changes=changes,
        question=spec.question,
        note=spec.note,
        no_op=spec.no_op and recipe.choices() == against.choices(),
        weight=spec.weight,
        excluded=excluded,
    )


def _excluded(recipe: Recipe, models: str, base_model: str) -> str | None:
    """Why the row cannot be run in this study, whatever the machine; None where it can."""
    family = _family(recipe.model)
    if recipe.model != base_model and family is not None and family != _family(models):
        return f"this row is about {recipe.model}; the study runs on {models}"
    config = known_config(recipe.model) if recipe.backbone else None
    if config is None:
        return None
    if isinstance(recipe.context, int) and recipe.context > config.context:
        return f"context = {recipe.context}: {recipe.model} reads {config.context} tokens at most"
    return _cannot(recipe, config)


def _cannot(recipe: Recipe, config: AnyConfig) -> str | None:
    """Why a row of a matrix does not apply to the architecture of a model, None where it does."""
    if isinstance(config, HFConfig) and recipe.attention == config.native_attention:
        return f"{recipe.model} is {recipe.attention} as it was pretrained, so this is attention = 'native'"
    if recipe.method.upper_blocks == config.n_blocks:
        return (
            f"{recipe.model} has {config.n_blocks} blocks: these are all of them, which other rows are about"
        )
    layers = known_layers(recipe.model, config)
    return (recipe.method.obstacle(layers) if layers else None) or fit_obstacle(recipe, config)


def _family(models: str) -> str | None:
    if models in FAMILIES:
        return models
    return next((family for family, members in FAMILIES.items() if models in members), None)


def _warning(
    matrix: Matrix, spec: RowSpec, row: Row, recipes: Mapping[str, Recipe], chosen: Set[str]
) -> str | None:
    """A row should be exactly one difference, or its comparison does not say what made it."""
    against = recipes[row.against or matrix.baseline.name]
    moved = spec.against not in (None, row.against)  # by --skip
    if row.recipe.choices() == against.choices():
        return None if row.no_op else f"row {row.name} changes nothing: it is the recipe of {row.against}"
    if spec.no_op and not moved:
        changed = ", ".join(row.changes)
        raise UserError(f"matrix {matrix.name}: row {row.name!r} is listed as a no-op, but changes {changed}")
    factors = [field for field in _factors(matrix, row, against) if field not in chosen]
    if len(factors) > 1 and (moved or not row.note):
        return f"row {row.name} differs from {row.against} in several ways at once: {', '.join(factors)}"
    return None


def _factors(matrix: Matrix, row: Row, against: Recipe) -> list[str]:
    """The row's changes, less those that come along with another one."""
    along: set[str] = set()
    if "model" in row.changes:
        for model in (row.recipe.model, against.model):
            along.update(matrix.models.get(model, {}), model_defaults(model))
    if row.recipe.backbone is None:
        along.add("ngrams")
    if "train" in row.changes:
        along.update(METHOD_FIELDS)
    return [field for field in row.changes if field not in along]
