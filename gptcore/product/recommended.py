"""The recipe that `python -m bench recommend` chose: a TOML file, and for each data set a pointer to the last one.

The file holds [recipe], and in [data] for which data it was chosen. Pointers are in the cache folder. Imports no torch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gptcore.data.assets import cache_dir
from gptcore.errors import UserError, first_problem
from gptcore.files import write_whole
from gptcore.model_defaults import model_defaults
from gptcore.recipe import Recipe, make_recipe
from gptcore.schema import Part
from gptcore.wording import one_line

BEST = "best"
FILE = "best.toml"
USUAL_METRIC = "accuracy"
_POINTERS = "recommended"


class DataOf(Part):
    """The data for which a recipe was chosen. fingerprint: `source_fingerprint` without a limit; limit: training texts
    that were looked at, None for all; metric: by which it was chosen."""

    name: str
    fingerprint: str
    limit: int | None = None
    metric: str = USUAL_METRIC

    def check(self, fingerprint: str, where: str) -> None:
        """Raises UserError where the data at hand are others."""
        if fingerprint != self.fingerprint:
            raise UserError(
                f"--recipe {where}: it was chosen for other data ({self.name}), or with other options to read them: "
                "give the same options, run `python -m bench recommend` on this file, or remove the table [data] from "
                "best.toml to use it nevertheless"
            )


def write_recommended(folder: Path, recipe: Recipe, data: DataOf, about: str) -> Path:
    """Write best.toml into a folder. about: one line, as a comment. Raises UserError."""
    lines = [f"# {one_line(about)}", "", "[recipe]"]
    lines += [f"{name} = {_toml(value)}" for name, value in _told(recipe).items()]
    lines += ["", "[data]"]
    lines += [f"{name} = {_toml(value)}" for name, value in data.model_dump().items() if value is not None]
    path = folder / FILE
    write_whole(path, "\n".join([*lines, ""]))
    return path


def point_to(folder: Path, data: DataOf) -> None:
    """Remember that the last recommendation for these data lies in `folder`. Raises UserError."""
    content = {"name": data.name, "folder": str(folder.resolve())}
    write_whole(_pointer(data.fingerprint), json.dumps(content, indent=1) + "\n")


def last_recommended(fingerprint: str, name: str) -> Path:
    """best.toml of the last recommendation for the data of that fingerprint. Raises UserError where there is none.

    name: of the data, to say whether it was made for a former state of the file.
    """
    remedy = "run `python -m bench recommend` on it first, or name its folder: --recipe results/recommend-..."
    folder = _folder(_pointer(fingerprint))
    if folder is None:
        others = map(_read, sorted((cache_dir() / _POINTERS).glob("*.json")))
        if any(other.get("name") == name for other in others):
            raise UserError(
                f"--recipe {BEST}: the last recommendation for {name} was for other rows, or read with other options "
                f"(--group-column, --text-column, --test ...): give the same options, or {remedy}"
            )
        raise UserError(f"--recipe {BEST}: nothing has been recommended for {name}: {remedy}")
    path = Path(folder) / FILE
    if not path.is_file():
        raise UserError(f"--recipe {BEST}: {path} is gone: {remedy}")
    return path


def parse_data(table: Any, where: str) -> DataOf:
    """The table [data] of best.toml. Raises UserError."""
    try:
        return DataOf.model_validate(table)
    except ValidationError as error:
        raise UserError(f"--recipe {where}: data: {first_problem(error, DataOf)}") from error


def _pointer(fingerprint: str) -> Path:
    return cache_dir() / _POINTERS / f"{fingerprint}.json"


def _read(path: Path) -> dict[str, Any]:
    """A pointer's content; nothing of a damaged one, which the next recommendation replaces."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _folder(path: Path) -> str | None:
    found = _read(path).get("folder")
    return found if isinstance(found, str) else None


def _told(recipe: Recipe) -> dict[str, Any]:
    """The model, and the fields that differ from what a file without them means."""
    usual = make_recipe({**model_defaults(recipe.model), "model": recipe.model}).model_dump(mode="json")
    values = recipe.model_dump(mode="json", include=set(recipe.relevant))
    # A file cannot say "none": fields that may be none have it as their default.
    return {
        name: value
        for name, value in values.items()
        if name == "model" or (value != usual[name] and value is not None)
    }


def _toml(value: Any) -> str:
    """A plain value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # TOML's basic strings have JSON's escapes, and one more.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)
