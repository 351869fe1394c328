"""A published table as data: its rows' figures, the items they are of, and what its authors conclude. Pure.

Percentages are Decimals, as many digits as the source prints: how far a figure was rounded is part of what it says.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from gptcore.errors import closest, first_problem
from gptcore.recipe import Recipe
from gptcore.schema import Part

Metric = Literal["accuracy", "error", "matthews", "f1", "average"]
UNKNOWN: Literal["unknown"] = "unknown"
_OF_ITEMS = ("accuracy", "error")  # metrics that are a share of the items
Side = str | dict[str, Any]  # a row of ours: its name, or values of its recipe

MOST_DECIMALS = 15
MOST_ITEMS = 10**9


def decimals(figure: Decimal) -> int:
    """Digits behind the point, as the figure is written."""
    exponent = figure.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _whole(value: Any, remedy: str) -> Any:
    """A whole number of 1 to MOST_ITEMS, or "unknown". Raises ValueError."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if value == UNKNOWN or (is_whole and 1 <= value <= MOST_ITEMS):
        return value
    raise ValueError(f"{remedy}, 1 to {MOST_ITEMS:,}, or {UNKNOWN!r} where the source does not say")


def _is_pair(value: Any) -> bool:
    """Two names, or two recipes that differ."""
    if not isinstance(value, list | tuple) or len(value) != 2 or value[0] == value[1]:
        return False
    return any(all(isinstance(side, kind) and side for side in value) for kind in (str, dict))


class Column(Part):
    """What a figure is of: a metric on one set of test items."""

    name: str = Field(description="what the source calls it")
    metric: Metric
    n: int | Literal["unknown"] = Field(description="test items")
    also_n: list[int] = Field(default=[], description="fewer items that a figure may be a share of")
    fewer: str = Field(default="", description="why that may be so, a clause")
    compared: bool = Field(default=True, description="whether rows are compared on it")
    reports: str | None = Field(default=None, description="the column that it reports a second time")

    @field_validator("n", mode="before")
    @classmethod
    def _n(cls, value: Any) -> Any:
        return _whole(value, "give the number of test items")

    @field_validator("also_n")
    @classmethod
    def _fewer(cls, sizes: list[int]) -> list[int]:
        if any(size < 1 for size in sizes):
            raise ValueError("give numbers of test items of at least 1")
        return sizes

    @property
    def of_items(self) -> int | None:
        """Items, where a figure is a share of a known number of them."""
        return self.n if isinstance(self.n, int) and self.metric in _OF_ITEMS else None

    @property
    def least(self) -> int:
        """The lowest figure that there is, percent."""
        return -100 if self.metric == "matthews" else 0


class Row(Part):
    """A row: its figure in each column, in percent, and how far it scatters."""

    figures: dict[str, Decimal] = Field(default={}, description="column -> figure, as the source prints it")
    scatter: dict[str, Decimal] = Field(
        default={}, description="column -> standard deviation over the seeds, where the source gives it"
    )
    seeds: int | Literal["unknown"] | None = Field(default=None, description="runs; by default the table's")

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, value: Any) -> Any:
        return value if value is None else _whole(value, "give the number of runs")


class TableClaim(Part):
    """A statement on how `row` stands to `against`."""

    id: str
    text: str
    row: str
    against: str
    direction: Literal["better", "worse", "equal"]
    column: str | None = Field(default=None, description="by default every column that is compared")
    points: float | None = Field(
        default=None, gt=0, description="stated size of the difference, percentage points"
    )
    ours: list[tuple[Side, Side]] = Field(
        default=[],
        description="rows of our studies that ask the same, pairs of `row` and `against`: two names, or what each row "
        "sets where they are alike in all else",
    )

    @field_validator("ours", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        """One pair may stand without the list around it. Raises ValueError."""
        pairs = [value] if isinstance(value, list) and value and isinstance(value[0], str | dict) else value
        if not isinstance(pairs, list) or not all(_is_pair(pair) for pair in pairs):
            raise ValueError('give the names of two rows, or two recipes such as { train = "lora" }')
        for values in (side for pair in pairs for side in pair if isinstance(side, dict)):
            try:
                Recipe(**values)
            except ValidationError as error:
                raise ValueError(first_problem(error, Recipe)) from error
        return pairs


class TableErratum(Part):
    """Something that does not add up in the source and that its figures do not show."""

    rows: list[str]
    text: str


class FigureTable(Part):
    """A published table."""

    title: str
    source: str = Field(description="where the figures stand, with a revision")
    seeds: int | Literal["unknown"] = Field(description="runs behind each figure")
    against: str | None = Field(default=None, description="the row that every other is compared with")
    comparisons: int | None = Field(
        default=None, ge=1, description="comparisons in the source, where more than the rows here give"
    )
    missing: str = Field(default="", description="what of the source is not here, a sentence")
    columns: dict[str, Column] = Field(min_length=1)
    rows: dict[str, Row] = Field(min_length=1)
    same_computation: list[list[str]] = Field(default=[], description="rows that are one by construction")
    claims: list[TableClaim] = Field(default=[], alias="claim")
    errata: list[TableErratum] = Field(default=[], alias="erratum")

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, value: Any) -> Any:
        return _whole(value, "give the number of runs behind each figure")

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for what, row in self._named_rows():
            if row not in self.rows:
                raise ValueError(f"{what} = {row!r}: no such row; {closest(row, self.rows)}")
        for what, column in self._named_columns():
            if column not in self.columns:
                raise ValueError(f"{what} = {column!r}: no such column; {closest(column, self.columns)}")
        ids = [claim.id for claim in self.claims]
        if repeated := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"claim.id = {repeated[0]!r} stands twice: give each claim its own")
        return self

    @model_validator(mode="after")
    def _figures_are_percentages(self) -> Self:
        for name, row in self.rows.items():
            for key, figure in row.figures.items():
                least, metric = self.columns[key].least, self.columns[key].metric
                if not (figure.is_finite() and least <= figure <= 100):
                    where = f"rows.{name}.figures.{key} = {figure}"
                    raise ValueError(f"{where}: give the {metric} in percent, {least} to 100")
                if decimals(figure) > MOST_DECIMALS:
                    where = f"rows.{name}.figures.{key}"
                    raise ValueError(f"{where}: give at most {MOST_DECIMALS} digits behind the point")
            for key, scatter in row.scatter.items():
                if not (scatter.is_finite() and scatter >= 0):
                    where = f"rows.{name}.scatter.{key} = {scatter}"
                    raise ValueError(f"{where}: give the standard deviation in points, 0 or more")
                if key not in row.figures:
                    raise ValueError(f"rows.{name}.scatter.{key}: add the figure that it is of")
        return self

    def _named_rows(self) -> list[tuple[str, str]]:
        named = [("against", self.against)] if self.against is not None else []
        named += [
            (f"claim {c.id}: {side}", getattr(c, side)) for c in self.claims for side in ("row", "against")
        ]
        named += [("erratum.rows", row) for erratum in self.errata for row in erratum.rows]
        return named + [("same_computation", row) for group in self.same_computation for row in group]

    def _named_columns(self) -> list[tuple[str, str]]:
        named = [
            (f"rows.{name}.{part}", column)
            for name, row in self.rows.items()
            for part in ("figures", "scatter")
            for column in getattr(row, part)
        ]
        named += [(f"columns.{key}.reports", c.reports) for key, c in self.columns.items() if c.reports]
        return named + [(f"claim {c.id}: column", c.column) for c in self.claims if c.column]

    @property
    def compared(self) -> list[str]:
        """The columns that rows are compared on."""
        return [key for key, column in self.columns.items() if column.compared]

    def runs_of(self, row: str) -> int | None:
        """Runs behind a row's figures; None where the source does not say."""
        seeds = self.rows[row].seeds or self.seeds
        return seeds if isinstance(seeds, int) else None

    def columns_of(self, row: str, against: str, column: str | None = None) -> list[str]:
        """The columns in which two rows are compared: those given or all, where both have a figure."""
        both = self.rows[row].figures.keys() & self.rows[against].figures.keys()
        return [key for key in ([column] if column else self.compared) if key in both]

    def against_row(self, row: str) -> FigureTable:
        """The same table with every other row compared with this one."""
        return self.model_validate(self.model_dump(by_alias=True) | {"against": row})
