"""The manifest of a study, `study.json`: the resolved matrix, written when it is run, read by the report."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from bench.records.dataset import DatasetFacts
from bench.records.record import Record
from gptcore.metric_names import MetricName
from gptcore.recipe import Recipe, Seeds
from gptcore.schema import Part

UNTUNED = "-untuned"  # behind the name of a study whose matrix chooses values, where it ran with --tune off


class Published(Part):
    """What a published study reports for a row: accuracies in percent, minutes on an A100, one seed."""

    table: str = Field(default="llms_from_scratch", description="folder in bench/published with the figures")
    row: int
    train_acc: float
    val_acc: float
    test_acc: float
    minutes_a100: float


class Row(Part):
    """A named recipe of a study."""

    name: str
    recipe: Recipe
    against: str | None = Field(
        default=None, description="the row it is compared with; null for the baseline"
    )
    changes: dict[str, Any] = Field(default_factory=dict, description="its differences from that row")
    question: str | None = Field(default=None, description="id of the question it answers")
    note: str | None = Field(default=None, description="a note for the reader, such as a quirk of the source")
    published: Published | None = None
    no_op: bool = Field(default=False, description="the same recipe as another row, by construction")
    excluded: str | None = Field(default=None, description="why the row cannot belong to this model family")
    matrix_row: str | None = Field(
        default=None,
        description="its name in the matrix, where the study has that row on each of several models",
    )
    weight: float | None = Field(
        default=None,
        gt=0,
        description="its share of the level in the correction for many rows, against 1 of a row without one",
    )


class PlannedLook(Part):
    """A number of seeds at which rows are judged, and the share of the error level that it may spend."""

    seeds: int = Field(ge=1)
    share: float = Field(gt=0, le=1)


class Trial(Part):
    """One choice of values, tried on validation data; without an accuracy where it failed."""

    values: dict[str, Any]
    epochs: int
    accuracy: float | None = Field(
        default=None, description="of the validation part, mean of the trials' seeds"
    )
    log_loss: float | None = None
    score: float | None = Field(
        default=None, description="the same by the study's metric where it is not accuracy; higher is better"
    )
    seconds: float | None = Field(
        default=None,
        ge=0,
        description="of its runs and their failed tries, but for runs that an earlier trial has; null in older files",
    )


class TunedRow(Part):
    """The values that were chosen for a row, and the trials that chose them.

    recipe_id: of the row as the matrix has it; grid: the values that there were.
    """

    row: str
    recipe_id: str
    grid: dict[str, list[Any]]
    values: dict[str, Any]
    trials: list[Trial]


class Study(Part):
    """A matrix resolved for one model family, one dataset and a list of seeds."""

    name: str
    matrix: str
    about: str
    models: str = Field(description="a family, a model's name, hub id or path, or several: a,b,c")
    engine: Literal["fast", "plain"] = "fast"
    baseline: str
    questions: dict[str, str] = Field(description="question id -> its text, in the order of the report")
    rows: list[Row]
    seeds: list[Seeds]
    dataset: DatasetFacts = Field(description="as the first seed splits it")
    notes: list[str] = Field(default=[], description="how the data was read, one note per entry")
    checkpoints: dict[str, str] = Field(
        default={},
        description="model -> SHA-256 over its checkpoint's files, for those that were on this machine",
    )
    warnings: list[str] = Field(default=[], description="warnings for the reader, one per entry")
    command: str = Field(description="the command line that runs this study again")
    tuned: list[TunedRow] = Field(
        default=[], description="rows whose values were chosen on validation data before the first run"
    )
    looks: list[int] | None = Field(
        default=None,
        description="numbers of seeds with which it was judged, where it has no scheme; null: not kept",
    )
    metric: MetricName = Field(
        default="accuracy", description="by which rows are judged, fixed before the first run"
    )
    margin: float | None = Field(
        default=None,
        gt=0,
        description="a smaller difference of scores (share; log-loss: nats) counts as none, asked for before the first "
        "run; null: the one that follows from the design",
    )
    scheme: list[PlannedLook] | None = Field(
        default=None,
        description="when rows are judged, fixed before the first run; null: from before this existed, or never",
    )

    budget: str | None = Field(
        default=None,
        description="--budget of the last `run --until-decided`, as given; null: no limit, or another kind of run",
    )
    ended: str | None = Field(
        default=None,
        description="why that run ended, in a line; null: it has not ended, or is another kind of run",
    )

    @model_validator(mode="after")
    def _rows_are_there(self) -> Self:
        names = [row.name for row in self.rows]
        wanted = {self.baseline, *(row.against for row in self.rows if row.against is not None)}
        if len(set(names)) < len(names) or not wanted <= set(names):
            raise ValueError("rows need unique names, and the baseline and every `against` must name a row")
        return self

    @model_validator(mode="after")
    def _looks_can_be_taken(self) -> Self:
        looks = self.scheme or []
        rising = all(one.seeds < other.seeds for one, other in pairwise(looks))
        if not rising or sum(look.share for look in looks) > 1 + 1e-9:
            raise ValueError("looks of a scheme need more and more seeds, and spend no more than the level")
        return self

    @property
    def earlier_looks(self) -> list[int]:
        """Numbers of seeds, at least two and fewer than now, with which a study without scheme was judged before."""
        if self.scheme is not None:
            return []
        return [n for n in self.looks or [] if 1 < n < len(self.seeds)]

    def with_look(self) -> Study:
        """The same study, judged with the seeds that it has now; a scheme says so itself."""
        if self.scheme is not None:
            return self
        return self.model_copy(update={"looks": sorted({*(self.looks or []), len(self.seeds)})})

    def row(self, name: str) -> Row:
        """The row of that name; KeyError if there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def baseline_of(self, row: Row) -> Row:
        """The baseline on the row's own model, where the study has one on each; else the study's."""
        base = self.row(self.baseline)
        mine = (
            other
            for other in self.rows
            if row.matrix_row is not None
            and other.matrix_row == base.matrix_row
            and other.recipe.model == row.recipe.model
        )
        return next(mine, base)

    def is_baseline(self, name: str) -> bool:
        """Whether a row is the baseline, of any of the study's models."""
        return name == self.baseline or self.row(name) == self.baseline_of(self.row(name))


def has_same_checkpoint(record: Record, study: Study) -> bool:
    """Whether a run read the same checkpoint files as the study, if both are known."""
    then = record.weights.checkpoint if record.weights else None
    now = study.checkpoints.get(record.recipe.model)
    return then is None or now is None or then == now
