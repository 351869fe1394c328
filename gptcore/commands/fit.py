"""`python -m gptcore fit`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, echo

from gptcore.commands.options import Device, FileOptions, with_options
from gptcore.commands.progress import show_progress
from gptcore.errors import UserError
from gptcore.metric_names import MetricName
from gptcore.wording import one_line

if TYPE_CHECKING:
    from gptcore.classifier import Threshold
    from gptcore.data.datasets import Dataset
    from gptcore.product.data_source import DataSource
    from gptcore.product.report import FitReport
    from gptcore.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """What is fitted, and where it goes. Each field's annotation is its help text."""

    recipe: Annotated[
        str,
        Option(
            help="a name, see `recipes`; a TOML file with a table [recipe]; best: what `python -m bench recommend` "
            "last chose for these data; or the folder of a recommendation"
        ),
    ]
    metric: Annotated[
        MetricName | None,
        Option(
            help="choose epochs by this metric of the validation part; default: by validation loss, or by the metric "
            "of a recommendation by another one than accuracy"
        ),
    ] = None
    out: Annotated[Path, Option(help="folder for the classifier; it must not exist")]
    seed: Annotated[int, Option(min=0, help="of the new head and the order of training")] = 0
    cost_false_positive: Annotated[
        float | None,
        Option(
            min=0.001,
            max=1000,
            help="two classes: how many missed positives one false positive costs; sets a threshold",
        ),
    ] = None
    positive: Annotated[
        str | None, Option(help="the positive class of --cost-false-positive; default: the second label")
    ] = None
    device: Device = "auto"

    def judged(self, recipe: Recipe) -> Recipe:
        """The recipe with epochs chosen as asked. Raises UserError where it has none."""
        if self.metric is None:
            return recipe
        if recipe.trainer != "network":
            raise UserError(
                f"--metric {self.metric}: it chooses epochs, and recipe {recipe.id} has none: leave it out"
            )
        return recipe.model_copy(update={"best_by": self.metric})

    def threshold(self, labels: tuple[str, ...]) -> Threshold | None:
        """As its cost says; None without one. Raises UserError where the labels do not fit."""
        from gptcore.product.fitting import threshold_for_cost

        if self.cost_false_positive is None:
            return None
        return threshold_for_cost(self.cost_false_positive, self.positive, labels)


@with_options
def fit(
    data: Annotated[
        str, Argument(help="a CSV, TSV, JSON or Parquet file with labelled texts, or a data set's name")
    ],
    reading: FileOptions,
    options: FitOptions,
) -> None:
    """Train a classifier on a labelled file and keep it in a folder.

    The validation part chooses the epochs and the temperature; then train and validation are trained on together. The
    test part is used once, at the end. The folder is opened again in a new process, and must answer the same.
    """
    if options.positive is not None and options.cost_false_positive is None:
        raise UserError(f"--positive {options.positive!r} needs --cost-false-positive")
    from gptcore.data.datasets import load_dataset
    from gptcore.product.data_source import remember, source_of
    from gptcore.product.folder import check_target
    from gptcore.product.recipes import find_recipe

    check_target(options.out)
    asked = reading.reading()
    read = cache(lambda: load_dataset(data, asked))
    chosen = options.judged(find_recipe(options.recipe, read))
    _fit_and_keep(chosen, read(), source_of(data, asked), options)
    remember(read().fingerprint, data, asked)


def _fit_and_keep(recipe: Recipe, data: Dataset, source: DataSource, options: FitOptions) -> None:
    from gptcore.export.possible import export_formats
    from gptcore.product.fitting import fit_to_keep
    from gptcore.product.folder import write_folder
    from gptcore.product.report import majority_warning

    threshold = options.threshold(data.label_names)
    for remark in (*data.notes, *(f"warning: {warning}" for warning in data.warnings)):
        show_progress(remark)
    show_progress(
        f"{len(data.train):,} texts to train on, {len(data.validation):,} to validate, {len(data.test):,} to test; "
        f"{len(data.label_names)} classes"
    )
    device = None if options.device == "auto" else options.device
    fitted = fit_to_keep(recipe, data, options.seed, device, threshold, show_progress)
    written = write_folder(
        options.out, fitted, data, options.seed, options.cost_false_positive, source, show_progress
    )
    for note in fitted.notes:
        show_progress(f"note: {note}")
    for line in _summary(written.report):
        echo(one_line(line))
    if (warning := majority_warning(written.report)) is not None:
        show_progress(f"warning: {warning}")
    echo(f"export: --to {', '.join(export_formats(fitted.classifier))} (python -m gptcore export --help)")
    echo(one_line(f'saved: {options.out}; use it: python -m gptcore predict {options.out} "some text"'))


def _summary(report: FitReport) -> list[str]:
    from gptcore.product.report import majority_line

    test, calibration, lines = report.test, report.calibration, []
    if report.tokens_per_row is not None:
        lines.append(f"a row has {report.tokens_per_row:,} tokens, and a longer text is cut to them")
    if report.epochs is not None:
        lines.append(f"epochs: {report.epochs}")
    losses = f"log-loss {calibration.log_loss_before:.4f} -> {calibration.log_loss_after:.4f}"
    errors = (
        f"calibration error {100 * calibration.error_before:.1f}% -> {100 * calibration.error_after:.1f}%"
    )
    lines.append(f"temperature: {calibration.temperature:.3f}; on the validation texts {losses}, {errors}")
    if (costs := report.costs) is not None:
        lines.append(
            f"threshold: {costs.positive} from a probability of {costs.threshold:.4f}; cost on the test part "
            f"{costs.test_cost:g}, without it {costs.test_cost_without:g} (in missed {costs.positive})"
        )
    lines.append(
        f"test: {test.correct:,} of {test.n:,} right ({100 * test.accuracy:.1f}%), macro-F1 {test.macro_f1:.3f}; "
        f"{majority_line(report)}"
    )
    return [*lines, f"verified: {report.n_verified:,} of {test.n:,} predictions equal"]
