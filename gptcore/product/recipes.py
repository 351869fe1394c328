"""Recipes by name or from a TOML file. Imports no torch."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptcore.errors import UserError, closest
from gptcore.model_defaults import model_defaults
from gptcore.paths import path_kind
from gptcore.product.recommended import BEST, FILE, USUAL_METRIC, last_recommended, parse_data
from gptcore.recipe import Recipe, make_recipe

if TYPE_CHECKING:
    from gptcore.data.datasets import Dataset

TABLE, DATA = "recipe", "data"


def find_recipe(name_or_file: str, data: Callable[[], Dataset] | None = None) -> Recipe:
    """A recipe of `known_recipes` by name, the table [recipe] of a TOML file, or what `recommend` chose for the data.

    name_or_file: also `best`, the last recommendation for these data, or the folder of one; data: called where a recipe
    was chosen for some data, and these must be the same. Raises UserError.
    """
    if name_or_file in (known := known_recipes()):
        return known[name_or_file][0]
    path = Path(name_or_file)
    if name_or_file == BEST:
        if data is None:
            raise UserError(f"--recipe {BEST}: it needs the data that it was chosen for: name a file instead")
        path = last_recommended(data().source_fingerprint, data().name)
    kind = path_kind(path)
    if kind == "folder" and path_kind(path / FILE) != "file":
        raise UserError(
            f"--recipe {path}: the folder has no {FILE}, which `python -m bench recommend` writes"
        )
    if kind == "folder":
        return _from_file(path / FILE, data)
    if path.suffix.lower() == ".toml" or kind == "file":
        return _from_file(path, data)
    remedy = closest(name_or_file, (BEST, *known))
    raise UserError(f"--recipe {name_or_file!r} is not a known recipe, a TOML file or {BEST!r}: {remedy}")


@cache
def known_recipes() -> dict[str, tuple[Recipe, str]]:
    """Name -> the recipe and what it is, in one line."""
    tables = tomllib.loads(files("gptcore.product").joinpath("recipes.toml").read_text(encoding="utf-8"))
    return {
        name: (make_recipe(table, name), about)
        for name, table in tables.items()
        if (about := table.pop("about"))
    }


def _from_file(path: Path, data: Callable[[], Dataset] | None) -> Recipe:
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"--recipe {path} cannot be read: {error}") from error
    if set(content) - {DATA} != {TABLE} or not isinstance(content[TABLE], dict):
        there = ", ".join(repr(name) for name in content) or "nothing"
        raise UserError(f"--recipe {path}: it must hold one table [{TABLE}], and holds {there}")
    asked = content[TABLE]
    if DATA in content:
        of = parse_data(content[DATA], str(path))
        if data is not None:
            of.check(data().source_fingerprint, str(path))
        if of.metric != USUAL_METRIC:  # which nobody had to ask for
            asked = {"best_by": of.metric} | asked
    brings = model_defaults(asked["model"]) if isinstance(asked.get("model"), str) else {}
    return make_recipe(brings | asked, str(path))
