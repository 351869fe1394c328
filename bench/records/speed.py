"""What `bench speed` leaves: times of both engines, taken in turn in one process, as a schema. Imports no torch."""

from __future__ import annotations

from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.records.record import Environment
from gptcore.recipe import Recipe

EngineName = Literal["fast", "plain"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Taken(_Part):
    """One timing of a run: seconds by phase, of the whole run, scaled up where only a slice of it was timed."""

    phases: dict[str, float]

    @property
    def total_s(self) -> float:
        """The whole run alone."""
        return sum(self.phases.values())

    @property
    def further_s(self) -> float:
        """The run where its trunk is there already, as for every further seed."""
        return self.total_s - self.phases.get("trunk", 0.0)


class Whole(_Part):
    """A run that was done whole. mem_bytes: the most that it had resident (GPU: allocated) in a process of its own."""

    phases: dict[str, float]
    mem_bytes: int | None

    @property
    def total_s(self) -> float:
        """Seconds from loading to evaluation."""
        return sum(self.phases.values())


class RowSpeed(_Part):
    """A row of the matrix under both engines, taken in turn: plain[i] and fast[i] are one pair.

    plain_flops: floating-point operations of the conventional loop. trunk_key: rows with the same one share
    their frozen part.
    """

    row: str
    recipe: Recipe
    plain: list[Taken]
    fast: list[Taken]
    plain_flops: float | None
    trunk_key: str | None = None

    def taken(self, engine: EngineName) -> list[Taken]:
        """The timings of one engine."""
        return self.fast if engine == "fast" else self.plain

    def median_s(self, engine: EngineName) -> float:
        """Seconds of the whole run with one engine."""
        return median(taken.total_s for taken in self.taken(engine))

    @property
    def ratio(self) -> float:
        """Median over the pairs of plain's whole run over fast's."""
        return median(p.total_s / f.total_s for p, f in zip(self.plain, self.fast, strict=True))

    @property
    def further_ratio(self) -> float:
        """The same for a further seed, which finds the trunk ready under the fast engine."""
        return median(p.total_s / f.further_s for p, f in zip(self.plain, self.fast, strict=True))

    @property
    def ratios(self) -> list[float]:
        """The ratio of each pair."""
        return [p.total_s / f.total_s for p, f in zip(self.plain, self.fast, strict=True)]


class WholeRow(_Part):
    """A row that was done whole, once with each engine, and what slices timed in the same call predict.

    It may take an hour or more, so it is kept where the rows are timed anew, on whatever machine.
    """

    sliced: RowSpeed
    plain: Whole
    fast: Whole
    environment: Environment
    created_at: str

    @property
    def row(self) -> str:
        """Its name."""
        return self.sliced.row

    @property
    def ratio(self) -> float:
        """Plain's whole run over fast's."""
        return self.plain.total_s / self.fast.total_s

    def taken(self, engine: EngineName) -> Whole:
        """The run of one engine."""
        return self.fast if engine == "fast" else self.plain


class SpeedStudy(_Part):
    """All rows that were timed, and those that show how cost grows. rates: FLOP/s of a large product by dtype.

    beyond: rows that are not part of the matrix. whole: rows that were done whole, then or earlier.
    """

    schema_version: Literal[2] = 2
    models: str
    dataset: str
    n_train: int
    epochs: int
    pairs: int
    precision: str
    slices: dict[EngineName, str] = Field(description="what was timed of a run, in words")
    rates: dict[str, float]
    rows: list[RowSpeed]
    beyond: list[RowSpeed] = []
    by_length: list[RowSpeed] = []
    by_model: list[RowSpeed] = []
    whole: list[WholeRow] = []
    environment: Environment
    created_at: str

    def with_whole_row(self, row: WholeRow) -> SpeedStudy:
        """The same with one more row done whole; an earlier run of that recipe is replaced."""
        others = [other for other in self.whole if other.sliced.recipe != row.sliced.recipe]
        return self.model_copy(update={"whole": [*others, row]})

    def with_whole_rows_of(self, before: SpeedStudy | None) -> SpeedStudy:
        """The same with the rows that were done whole before, on the same data."""
        return self if before is None else self.model_copy(update={"whole": before.whole})
