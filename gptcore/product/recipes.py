"""Recipes by name or from a TOML file. Imports no torch."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from gptcore.errors import UserError, closest
from gptcore.model_defaults import model_defaults
from gptcore.paths import path_kind
from gptcore.recipe import Recipe, make_recipe

TABLE = "recipe"


def find_recipe(name_or_file: str) -> Recipe:
    """A recipe of `known_recipes` by name, or the table [recipe] of a TOML file. Raises UserError."""
    if name_or_file in (known := known_recipes()):
        return known[name_or_file][0]
    path = Path(name_or_file)
    if path.suffix.lower() == ".toml" or path_kind(path) == "file":
        return _from_file(path)
    raise UserError(
        f"--recipe {name_or_file!r} is not a known recipe or a TOML file: {closest(name_or_file, known)}"
    )


@cache
def known_recipes() -> dict[str, tuple[Recipe, str]]:
    """Name -> the recipe and what it is, in one line."""
    tables = tomllib.loads(files("gptcore.product").joinpath("recipes.toml").read_text(encoding="utf-8"))
    return {
        name: (make_recipe(table, name), about)
        for name, table in tables.items()
        if (about := table.pop("about"))
    }


def _from_file(path: Path) -> Recipe:
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"--recipe {path} cannot be read: {error}") from error
    if set(content) != {TABLE} or not isinstance(content[TABLE], dict):
        there = ", ".join(repr(name) for name in content) or "nothing"
        raise UserError(f"--recipe {path}: it must hold one table [{TABLE}], and holds {there}")
    asked = content[TABLE]
    brings = model_defaults(asked["model"]) if isinstance(asked.get("model"), str) else {}
    return make_recipe(brings | asked, str(path))
