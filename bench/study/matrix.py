"""The matrix file: a study as data. Reads and checks the TOML; `resolve.py` turns it into rows.

A file states a baseline and its ablations, each as one difference from the row it is `against` (the baseline
unless said otherwise); `bench/matrices/quick.toml` is a short example. Pure: no clock, no network.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench.published.table import tables
from gptcore.backbones.checkpoints import KNOWN_NAMES, is_known
from gptcore.backbones.config import FAMILIES, FORMER_FAMILIES
from gptcore.errors import UserError, allowed, closest
from gptcore.paths import path_kind
from gptcore.recipe import Recipe, make_recipe
from gptcore.schema import Part

MATRICES = Path(__file__).parents[1] / "matrices"  # the matrices that ship with the project
DEFAULT_MODELS = {"bundled": "micro", "gpt2": "gpt2"}  # the baseline's model where a file names none
_NAME = r"^\S(.*\S)?$"
_FILE_NAME = r"^[A-Za-z0-9][\w.-]*$"
_NAMES = {
    _NAME: "a name on one line, with nothing blank around it",
    _FILE_NAME: "letters, digits, '.', '_' and '-', with a letter or digit first",
}


class _Spec(Part):
    changes: dict[str, Any] = Field(default_factory=dict, alias="set", description="recipe fields")
    note: str | None = Field(default=None, description="a note for the reader, such as a quirk of the source")


class BaselineSpec(_Spec):
    """The row from which all others descend: `set` is its difference from Recipe's defaults."""

    name: str = Field(default="baseline", pattern=_NAME)


class RowSpec(_Spec):
    """An ablation: `set` is its difference from the row it is `against`."""

    name: str = Field(pattern=_NAME)
    against: str | None = Field(default=None, description="None: the baseline")
    question: str | None = Field(default=None, description="id of the question it answers")
    no_op: bool = Field(default=False, description="the recipe of the row it is against; the note says why")
    weight: float | None = Field(
        default=None,
        gt=0,
        le=1000,
        allow_inf_nan=False,
        description="its share of the level in the correction for many rows, against 1 of a row without one",
    )


class Grid(Part):
    """Every combination of the axes' values, less those that agree with all of one `exclude` rule."""

    axes: dict[str, list[Any]] = Field(min_length=1, description="recipe field -> its values")
    exclude: list[dict[str, Any]] = Field(default_factory=list)
    question: str | None = None

    def rows(self) -> list[RowSpec]:
        """The combinations as rows against the baseline, named such as "train=all position=first"."""
        combinations = [dict(zip(self.axes, values, strict=True)) for values in product(*self.axes.values())]
        return [
            RowSpec(name=_grid_name(chosen), set=chosen, question=self.question)
            for chosen in combinations
            if not any(rule.items() <= chosen.items() for rule in self.exclude)
        ]


class Tune(BaseModel):
    """Values to choose from for every row, on validation data: `lr = [1e-4, 1e-3]`, any recipe field.

    seeds: of each trial; more make the choice less a matter of luck; budget: every row has as many trials.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    seeds: int = Field(default=1, ge=1, le=20)
    budget: Literal["equal"] = "equal"

    @property
    def fields(self) -> dict[str, list[Any]]:
        """Recipe field -> its values."""
        return dict(self.model_extra or {})


class Matrix(Part):
    """A validated matrix file: only combinations of values that no recipe allows can still fail."""

    name: str = Field(pattern=_FILE_NAME, description="by default the file's name")
    about: str = Field(default="", description="one line for `bench list`")
    published: str | None = Field(
        default=None, description="folder of bench/published with figures of its rows"
    )
    baseline: BaselineSpec = Field(default_factory=BaselineSpec)
    families: dict[str, str] = Field(default_factory=dict, description="family -> the baseline's model")
    models: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="model -> recipe fields for every row with that model, such as lr"
    )
    questions: dict[str, str] = Field(default_factory=dict, description="id -> text, in the report's order")
    rows: list[RowSpec] = Field(default_factory=list, alias="row")
    grid: Grid | None = None
    tune: Tune | None = None

    @field_validator("families")
    @classmethod
    def _families_by_their_names(cls, families: dict[str, str]) -> dict[str, str]:
        return {FORMER_FAMILIES.get(family, family): model for family, model in families.items()}

    def all_rows(self) -> list[RowSpec]:
        """The written rows, then the grid's."""
        return [*self.rows, *(self.grid.rows() if self.grid else [])]


def matrices() -> list[tuple[str, str]]:
    """Name and one-line description of every matrix that ships with the project."""
    return [(name, load_matrix(name).about) for name in _bundled()]


def load_matrix(name_or_path: str | Path) -> Matrix:
    """A bundled matrix by name, or a TOML file.

    Raises UserError that names the file, the row and the field, the value and what is allowed.
    """
    path = _find(name_or_path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    raw.setdefault("name", path.stem)
    try:
        matrix = Matrix.model_validate(raw)
    except ValidationError as error:
        raise UserError(f"{path}: {_problem(error, raw)}") from error
    _check_tables(matrix, str(path))
    _check_rows(matrix, str(path))
    return matrix


def _bundled() -> list[str]:
    return sorted(path.stem for path in MATRICES.glob("*.toml"))


def _find(name_or_path: str | Path) -> Path:
    if str(name_or_path) in _bundled():
        return MATRICES / f"{name_or_path}.toml"
    path = Path(name_or_path)
    if path_kind(path) == "file":
        return path
    raise UserError(
        f"matrix {str(name_or_path)!r} is neither a file nor one of those that ship with the project "
        f"({', '.join(_bundled())}): give one of these or the path of a TOML file"
    )


def _problem(error: ValidationError, raw: dict[str, Any]) -> str:
    """pydantic's first error as one line: place in the file, key, value, allowed values."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    if place[0] == "row" and len(place) > 1:
        entry = raw["row"][int(place[1])]
        name = entry.get("name") if isinstance(entry, dict) else None
        place[:2] = [f"row {name!r}" if name else f"row number {int(place[1]) + 1}"]
    *where, key = place
    place_text = ": ".join([*where, key])
    if first["type"] == "extra_forbidden":
        hint = "a recipe's fields go into `set = { ... }`" if key in Recipe.model_fields else "remove it"
        return f"{place_text}: unknown key ({hint})"
    if first["type"] == "missing":
        return f"{place_text} is missing"
    value = repr(first["input"])
    value = value if len(value) <= 60 else value[:57] + "..."
    if first["type"] == "string_pattern_mismatch":
        return f"{place_text} = {value}: use {_NAMES[first['ctx']['pattern']]}"
    hint = " (a row begins with [[row]])" if place == ["row"] else ""
    return f"{place_text} = {value}: {allowed([first])}{hint}"


def _check_tables(matrix: Matrix, where: str) -> None:
    """Families and models are known, and every recipe field has an allowed value."""
    if matrix.published is not None and matrix.published not in tables():
        raise UserError(f"{where}: published = {matrix.published!r}: {closest(matrix.published, tables())}")
    for family, model in matrix.families.items():
        if family not in FAMILIES:
            raise UserError(f"{where}: families: {family}: {closest(family, FAMILIES)}")
        if model not in FAMILIES[family]:
            raise UserError(f"{where}: families: {family} = {model!r}: {closest(model, FAMILIES[family])}")
    for model, brings in matrix.models.items():
        if not is_known(model) and "/" not in model:
            raise UserError(f"{where}: models: {model}: {closest(model, KNOWN_NAMES)} (a folder has a '/')")
        if "model" in brings:
            raise UserError(f"{where}: models: {model}: a model cannot set another model")
        make_recipe(brings, where=f"{where}: models: {model}")
    make_recipe(matrix.baseline.changes, where=f"{where}: baseline")
    if "model" in matrix.baseline.changes:
        raise UserError(
            f"{where}: baseline: its model is chosen by --models, and by [families] for each family"
        )
    for row in matrix.rows:
        make_recipe(row.changes, where=f"{where}: row {row.name!r}")
    if matrix.tune:
        _check_tune(matrix.tune, f"{where}: tune")
    if matrix.grid:
        _check_grid(matrix.grid, f"{where}: grid")


def _check_tune(tune: Tune, where: str) -> None:
    if not tune.fields:
        raise UserError(f"{where}: no field to choose: add one with its values, such as lr = [1e-4, 1e-3]")
    for field, values in tune.fields.items():
        if field not in Recipe.model_fields:
            raise UserError(f"{where}: {field}: {closest(field, Recipe.model_fields)}")
        if field in ("model", "weights", "train_size", "epochs"):
            raise UserError(f"{where}: {field}: not a value to choose on validation data: make it a row")
        if not isinstance(values, list) or len(values) < 2:
            raise UserError(f"{where}: {field} = {values!r}: give a list of two values or more")
        if len({repr(value) for value in values}) < len(values):
            raise UserError(f"{where}: {field} = {values!r}: a value is there twice")
        for value in values:
            make_recipe({field: value}, where=where)


def _check_grid(grid: Grid, where: str) -> None:
    for axis, values in grid.axes.items():
        if not values:
            raise UserError(f"{where}: axes: {axis} has no values")
        for value in values:
            make_recipe({axis: value}, where=f"{where}: axes")
    for rule in grid.exclude:
        if not rule:
            raise UserError(f"{where}: exclude: an empty rule would exclude every row: remove it")
        for axis, value in rule.items():
            if value not in grid.axes.get(axis, []):
                raise UserError(f"{where}: exclude: {axis} = {value!r} is in no axis")


def _check_rows(matrix: Matrix, where: str) -> None:
    """Names are unique; `against` and `question` lead somewhere; a listed no-op says why."""
    rows = matrix.all_rows()
    parents: dict[str, str | None] = {row.name: row.against or matrix.baseline.name for row in rows}
    parents[matrix.baseline.name] = None
    for name, count in Counter([matrix.baseline.name, *(row.name for row in rows)]).items():
        if count > 1:
            raise UserError(f"{where}: {count} rows are named {name!r}: every row needs a name of its own")
    for row in rows:
        here = f"{where}: row {row.name!r}"
        if row.against is not None and row.against not in parents:
            raise UserError(
                f"{here}: against = {row.against!r} is not a row: {closest(row.against, parents)}"
            )
        if row.question is not None and row.question not in matrix.questions:
            known = closest(row.question, matrix.questions)
            raise UserError(f"{here}: question = {row.question!r} is not in [questions]: {known}")
        if row.no_op and not row.note:
            raise UserError(f"{here}: no_op = true needs a note that says why")
    for row in rows:
        _check_circle(row.name, parents, where)


def _check_circle(name: str, parents: dict[str, str | None], where: str) -> None:
    seen: list[str] = []
    above: str | None = name
    while above is not None:
        if above in seen:
            circle = " -> ".join([*seen[seen.index(above) :], above])
            raise UserError(f"{where}: rows are against each other in a circle: {circle}")
        seen.append(above)
        above = parents[above]


def _grid_name(chosen: dict[str, Any]) -> str:
    # Blanks, as commas separate names on the command line.
    return " ".join(f"{field}={_shown(value)}" for field, value in chosen.items())


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "-".join(_shown(item) for item in value.values())
    if isinstance(value, list):
        return "+".join(str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
