"""The record of `bench speed`: times of both engines, taken in turn in one process. Imports no torch."""

from __future__ import annotations

from statistics import median
from typing import Literal

from pydantic import Field

from bench.records.record import Environment
from gptcore.recipe import Recipe
from gptcore.schema import Part

EngineName = Literal["fast", "plain"]


class Taken(Part):
    """One timing of a run: seconds by phase for the whole run, extrapolated if only a slice was timed."""

    phases: dict[str, float]

    @property
    def total_s(self) -> float:
        """The whole run on its own."""
        return sum(self.phases.values())

    @property
    def further_s(self) -> float:
        """The run with its trunk ready, as for every further seed."""
        return self.total_s - self.phases.get("trunk", 0.0)


class EndToEnd(Part):
    """A run timed end to end. mem_bytes: peak resident memory (GPU: allocated) of its own process."""

    phases: dict[str, float]
    mem_bytes: int | None

    @property
    def total_s(self) -> float:
        """Seconds from loading to evaluation."""
        return sum(self.phases.values())


class RowSpeed(Part):
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


class EndToEndRow(Part):
    """A row timed end to end, once with each engine, and the times extrapolated from slices in the same call.

    This may take an hour or more, so it is kept when the rows are timed again, even on another machine.
    """

    extrapolated: RowSpeed
    plain: EndToEnd
    fast: EndToEnd
    environment: Environment
    created_at: str

    @property
    def row(self) -> str:
        """Its name."""
        return self.extrapolated.row

    @property
    def ratio(self) -> float:
        """Plain's whole run over fast's."""
        return self.plain.total_s / self.fast.total_s

    def taken(self, engine: EngineName) -> EndToEnd:
        """The run of one engine."""
        return self.fast if engine == "fast" else self.plain


class SpeedStudy(Part):
    """All timed rows, and those that show how cost grows. rates: FLOP/s of a large product by dtype.

    extra_rows: rows that are not part of the matrix. end_to_end: rows timed end to end, then or earlier.
    """

    schema_version: Literal[3] = 3
    models: str
    dataset: str
    n_train: int
    epochs: int
    pairs: int
    precision: str
    slices: dict[EngineName, str] = Field(description="the timed part of a run, in words")
    rates: dict[str, float]
    rows: list[RowSpeed]
    extra_rows: list[RowSpeed] = Field(default=[])
    by_length: list[RowSpeed] = Field(default=[])
    by_model: list[RowSpeed] = Field(default=[])
    end_to_end: list[EndToEndRow] = Field(default=[])
    environment: Environment
    created_at: str

    def with_end_to_end(self, row: EndToEndRow) -> SpeedStudy:
        """The same with one more row timed end to end; an earlier run of that recipe is replaced."""
        others = [other for other in self.end_to_end if other.extrapolated.recipe != row.extrapolated.recipe]
        return self.model_copy(update={"end_to_end": [*others, row]})

    def with_end_to_end_of(self, before: SpeedStudy | None) -> SpeedStudy:
        """The same with the rows timed end to end before, on the same data."""
        return self if before is None else self.model_copy(update={"end_to_end": before.end_to_end})
