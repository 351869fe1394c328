"""A published table: figures of rows, the authors' claims, and inconsistencies in the source. Pure.

A folder here has `figures.toml`, and may have `claims.toml` and `errata.toml`. Rows go by their names in the matrix.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from bench.records.study import Published
from gptcore.backbones.config import FAMILIES, REGISTRY
from gptcore.errors import UserError
from gptcore.schema import Part

FOLDER = Path(__file__).parent
FILES = ("figures.toml", "claims.toml", "errata.toml")
Split = Literal["train", "validation", "test"]


class Claim(Part):
    """A statement on how `row` stands to `against`."""

    id: str = Field(
        description="number of the published interpretation, and a letter where it says several things"
    )
    text: str
    row: str
    against: str
    metric: Literal["test accuracy", "training time"]
    direction: Literal["better", "worse", "equal", "longer", "shorter"]
    points: float | None = Field(default=None, description="stated size of a difference, percentage points")
    times: float | None = Field(default=None, description="stated size of a ratio of times, above 1")


class Erratum(Part):
    """An inconsistency in the source that its figures do not show."""

    rows: list[str]
    text: str


class PublishedTable(Part):
    """The files of one folder."""

    title: str = Field(description="what the table is")
    source: str = Field(description="where its figures stand")
    dataset: str = Field(description="name of the data set that the figures are of")
    family: str = Field(description="family of the models that they are of")
    examples: dict[Split, list[int]] = Field(description="of how many examples a percentage may be a share")
    not_of_all: str = Field(
        default="", description="why a share may be of fewer examples than the whole split"
    )
    same_computation: list[list[str]] = Field(
        default=[], description="rows that are one recipe by construction"
    )
    same_work: list[list[str]] = Field(default=[], description="rows that do the same work")
    rows: dict[str, Published] = Field(description="row name -> figures, in the order of the source")
    claims: list[Claim] = Field(default=[], alias="claim")
    errata: list[Erratum] = Field(default=[], alias="erratum")

    @field_validator("rows")
    @classmethod
    def _in_order(cls, rows: dict[str, Published]) -> dict[str, Published]:
        return dict(sorted(rows.items(), key=lambda item: item[1].row))

    @model_validator(mode="after")
    def _rows_are_there(self) -> Self:
        named = [row for claim in self.claims for row in (claim.row, claim.against)]
        named += [row for erratum in self.errata for row in erratum.rows]
        named += [row for group in (*self.same_computation, *self.same_work) for row in group]
        if missing := sorted(set(named) - set(self.rows)):
            raise ValueError(f"no figures of {', '.join(missing)}")
        return self

    @property
    def of_accuracy(self) -> list[Claim]:
        """The claims on test accuracy: the comparisons that are corrected together."""
        return [claim for claim in self.claims if claim.metric == "test accuracy"]

    @property
    def n_test(self) -> int:
        """Examples that the test accuracies are of."""
        return self.examples["test"][0]

    def of_rows(self, names: set[str]) -> PublishedTable:
        """The table restricted to these rows."""

        def whole(groups: list[list[str]]) -> list[list[str]]:
            return [group for group in groups if set(group) <= names]

        return self.model_copy(
            update={
                "rows": {name: figures for name, figures in self.rows.items() if name in names},
                "claims": [claim for claim in self.claims if {claim.row, claim.against} <= names],
                "errata": [erratum for erratum in self.errata if set(erratum.rows) <= names],
                "same_computation": whole(self.same_computation),
                "same_work": whole(self.same_work),
            }
        )

    def has_model(self, model: str) -> bool:
        """Whether its figures are of this model: a name in its family, or where that comes from."""
        members = FAMILIES.get(self.family, ())
        return model in members or model in {REGISTRY[name].source for name in members}


def tables() -> list[str]:
    """The names of all tables."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{FILES[0]}"))


@cache
def load_table(name: str) -> PublishedTable:
    """The table of that name. Raises UserError where there is none."""
    if name not in tables():
        raise UserError(f"published = {name!r}: known are {', '.join(tables())}")
    files = [path for path in (FOLDER / name / file for file in FILES) if path.exists()]
    content = [tomllib.loads(path.read_text(encoding="utf-8")) for path in files]
    figures = {row: {**values, "table": name} for row, values in content[0]["rows"].items()}
    merged = {key: value for part in content for key, value in part.items()}
    return PublishedTable.model_validate(merged | {"rows": figures})
