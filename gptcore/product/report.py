"""What `fit.json` in a classifier's folder says: how it was made and what it is worth. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pydantic
from pydantic import Field

from gptcore.errors import UserError, first_problem
from gptcore.product.data_source import DataSource
from gptcore.recipe import BestBy
from gptcore.schema import Part
from gptcore.training.criterion import IN_WORDS

REPORT = "fit.json"
FORMAT = 1
ABSTAIN_STEPS = 100  # thresholds of `Abstaining` are multiples of 1 / ABSTAIN_STEPS


class Data(Part):
    """What was read. classes: rows of each, in the order of the labels; fingerprints: as in `Dataset`."""

    name: str
    fingerprint: str
    source_fingerprint: str
    split_seed: int
    n_train: int
    n_validation: int
    n_test: int
    classes: dict[str, int]


class Choice(Part):
    """Epochs that were tried, their validation losses (nats), the number that was chosen, and by what."""

    tried: int
    chosen: int
    validation_losses: tuple[float, ...]
    by: BestBy = "loss"

    def __str__(self) -> str:
        return f"{self.chosen} of {self.tried}, {IN_WORDS[self.by]}"


class Calibration(Part):
    """The temperature, and on the validation texts log-loss (nats) and calibration error before and after it."""

    temperature: float
    n_texts: int
    log_loss_before: float
    log_loss_after: float
    error_before: float
    error_after: float


class Metrics(Part):
    """Of the untouched test part, as the classifier answers. confusion: [true][answered], in the labels' order."""

    n: int
    correct: int
    accuracy: float
    macro_f1: float
    log_loss: float
    calibration_error: float
    confusion: tuple[tuple[int, ...], ...]


class Abstaining(Part):
    """Of validation texts, by threshold i / ABSTAIN_STEPS: those at least so sure, and those of them that are right."""

    n_texts: int
    kept: tuple[int, ...]
    correct: tuple[int, ...]

    def at(self, threshold: float) -> tuple[int, int]:
        """(kept, correct) at a multiple of 1 / ABSTAIN_STEPS between 0 and 1."""
        place = round(threshold * ABSTAIN_STEPS)
        return self.kept[place], self.correct[place]


class Costs(Part):
    """Why the threshold is where it is, and the cost on the test part with it and without, in missed positives."""

    false_positive: float
    positive: str
    threshold: float
    test_cost: float
    test_cost_without: float


class FitReport(Part):
    """All of it. versions: of Python and the libraries; n_verified: test predictions compared in a new process.

    source: where the data can be read again, None in folders that are older than it; tokens_per_row: what is read of a
    text, None where texts are read whole.
    """

    format: int = FORMAT
    data: Data
    source: DataSource | None = None
    seed: int
    tokens_per_row: int | None = None
    epochs: Choice | None
    calibration: Calibration
    abstaining: Abstaining
    costs: Costs | None
    test: Metrics
    n_verified: int
    fit_s: float = Field(ge=0, allow_inf_nan=False)
    versions: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def largest_class(self) -> tuple[str, int]:
        """The largest class of the test part, and how many of its texts have it."""
        sizes = [sum(row) for row in self.test.confusion]
        return list(self.data.classes)[sizes.index(max(sizes))], max(sizes)

    @property
    def beats_largest_class(self) -> bool:
        """Whether more test texts are answered right than by always answering the largest class."""
        return self.test.correct > self.largest_class[1]


def majority_line(report: FitReport) -> str:
    """What the test accuracy is to be read beside."""
    name, n = report.largest_class
    return (
        f"always answering {name!r} is right on {n:,} of {report.test.n:,} ({100 * n / report.test.n:.1f}%)"
    )


def majority_warning(report: FitReport) -> str | None:
    """That the classifier is not worth more than a constant; None where it is, or where it weighs costs."""
    if report.beats_largest_class or report.costs is not None:
        return None
    return f"the classifier is no better than its largest class: of the test texts, {majority_line(report)}"


def read_report(folder: Path) -> FitReport:
    """The report in a classifier's folder. Raises UserError where it lacks one, or a damaged one."""
    path = folder / REPORT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise UserError(f"{path} has format {found!r}, this version reads {FORMAT}")
        return FitReport.model_validate(content)
    except FileNotFoundError as error:
        raise UserError(f"{folder} has no {REPORT}: it was not made by `python -m gptcore fit`") from error
    except pydantic.ValidationError as error:
        raise UserError(f"{path}: {first_problem(error, FitReport)}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def class_sizes(names: Sequence[str], labels: Sequence[int]) -> dict[str, int]:
    """Class name -> how many of `labels` are its index."""
    return {name: sum(label == at for label in labels) for at, name in enumerate(names)}
