"""The record of `bench speed --against transformers`: our times and theirs, taken in turn. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Literal

from pydantic import Field

from bench.records.record import Environment
from bench.records.speed import Taken
from gptcore.recipe import Recipe
from gptcore.schema import Part

Their = Literal["float32", "bfloat16"]  # precision of their loop
Phase = Literal["train", "evaluate"]
THEIRS: tuple[Their, ...] = ("float32", "bfloat16")


class OpponentRow(Part):
    """A recipe under the fast engine and in their loop: ours[i] and theirs[...][i] were taken in one round.

    Phases: trunk (ours alone), train and evaluate; loading and tokenising are the same work on both sides and left out.
    """

    row: str
    recipe: Recipe
    ours: list[Taken]
    theirs: dict[Their, list[Taken]]

    @property
    def faster(self) -> Their:
        """The precision in which their whole run takes less."""
        return min(self.theirs, key=lambda name: median(taken.total_s for taken in self.theirs[name]))

    @property
    def ratios(self) -> list[float]:
        """Theirs over ours, of whole runs, by round."""
        return [t.total_s / o.total_s for o, t in self._pairs]

    @property
    def further_ratios(self) -> list[float]:
        """The same for a further seed, which finds our trunk ready."""
        return [t.total_s / o.further_s for o, t in self._pairs]

    @property
    def prediction_ratios(self) -> list[float]:
        """The same of the evaluation alone, where all blocks are computed."""
        return [t.phases["evaluate"] / o.phases["evaluate"] for o, t in self._pairs]

    @property
    def _pairs(self) -> list[tuple[Taken, Taken]]:
        return list(zip(self.ours, self.theirs[self.faster], strict=True))


class OpponentStudy(Part):
    """All rows of one model on one data set."""

    schema_version: Literal[1] = 1
    model: str
    dataset: str
    n_train: int
    rounds: int
    precision: str = Field(description="of the fast engine")
    slices: str = Field(description="the timed part of a run, in words")
    padded: dict[Phase, float] | None = Field(
        description="positions in their padded batches over tokens in them; None: not counted", default=None
    )
    rows: list[OpponentRow]
    environment: Environment
    created_at: str


def opponent_path(folder: Path, model: str, dataset: str) -> Path:
    """Path of the measurements on this model and data set."""
    data = "" if dataset == "sms-spam" else f"-{Path(dataset).stem}"
    return folder / f"{Path(model).name}{data}-transformers.json"
