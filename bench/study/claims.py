"""What the published study says of its rows: `bench/matrices/claims.toml`, read and checked. Pure."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.records.study import Published
from bench.study.matrix import CLAIMS, load_matrix

Split = Literal["train", "validation", "test"]
PUBLISHED_MATRIX = "full"  # whose rows the claims are about


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Claim(_Part):
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


class Erratum(_Part):
    """Something that does not add up in the source and that no figure shows."""

    rows: list[str]
    text: str


class Timing(_Part):
    """What is known of the noise in the published times."""

    same_work: list[list[str]] = Field(description="rows that do the same work")


class Claims(_Part):
    """The file, and the figures of the rows that it names."""

    examples: dict[Split, list[int]] = Field(description="of how many examples a percentage may be a share")
    timing: Timing
    claims: list[Claim] = Field(alias="claim")
    errata: list[Erratum] = Field(alias="erratum")

    @property
    def of_accuracy(self) -> list[Claim]:
        """The claims on test accuracy: the comparisons that are corrected together."""
        return [claim for claim in self.claims if claim.metric == "test accuracy"]


@cache
def load_claims() -> Claims:
    """The claims that come with the project."""
    return Claims.model_validate(tomllib.loads(CLAIMS.read_text(encoding="utf-8")))


@cache
def published_rows() -> dict[str, Published]:
    """Row name -> published figures, in the order of the published table."""
    matrix = load_matrix(PUBLISHED_MATRIX)
    figures = {row.name: row.published for row in matrix.rows} | {
        matrix.baseline.name: matrix.baseline.published
    }
    found = {name: published for name, published in figures.items() if published}
    return dict(sorted(found.items(), key=lambda item: item[1].row))


@cache
def no_op_rows() -> frozenset[str]:
    """Rows that are the recipe of the row they are against, by construction."""
    return frozenset(row.name for row in load_matrix(PUBLISHED_MATRIX).rows if row.no_op)
