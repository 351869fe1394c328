"""Saves classifiers of a study: a finished run is fitted again, compared with its record and saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.evidence.pareto import weigh
from bench.evidence.results import Results, RowResult
from bench.records.record import Record
from bench.run.environment import has_cuda
from bench.run.together import fit_and_save_together
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError, closest

BEST = "best"  # the recommended row, or else the most accurate one
FOLDER = "classifiers"


@dataclass(frozen=True)
class Kept:
    """A classifier in its folder. n_equal: of its n_test test predictions, those that its record has too."""

    row: str
    folder: Path
    n_equal: int
    n_test: int


def check_names(names: Sequence[str], rows: Sequence[str]) -> None:
    """Raises UserError where a name is neither a row nor 'best'."""
    for name in names:
        if name != BEST and name not in rows:
            raise UserError(f"--keep {name!r} is not a row of this study: {closest(name, [BEST, *rows])}")


def device_here(device: str) -> str:
    """The device of a study's runs, or the CPU where they ran on GPUs that this machine lacks."""
    return "cuda" if device == "cuda" and has_cuda() else "cpu"


def keep(name: str, results: Results, data: Dataset, folder: Path, device: str) -> Kept:
    """Fit one run of a row again and save its classifier in the study's folder.

    The seed with the highest validation accuracy is used, so the choice never sees the test part. Raises UserError if
    the row has no finished run, or if the classifier cannot be saved.
    """
    row = _row(name, results)
    if not row.done:
        raise UserError(f"--keep {name}: {row.name} has no finished run ({row.reason})")
    record = max(row.done, key=_on_validation)
    target = folder / FOLDER / record.recipe_id
    do = _fit_and_save if record.environment.nproc == 1 else fit_and_save_together
    predicted = do(record, data, device, target)
    recorded = record.test.predicted if record.test else []
    equal = sum(a == b for a, b in zip(predicted, recorded, strict=False))
    return Kept(row.name, target, equal, len(predicted))


def _fit_and_save(record: Record, data: Dataset, device: str, folder: Path) -> list[int]:
    """Fit a finished run again and save its classifier; its test predictions. Raises UserError."""
    from gptcore.engine.engine import Engine
    from gptcore.training.fit import fit

    # The same precision as in the record, to get the same classifier.
    engine = Engine(record.engine, "bfloat16" if record.environment.dtype == "bfloat16" else "float32")
    fitted = fit(record.recipe, data.with_split(record.seeds.split), record.seeds, engine, device)
    fitted.classifier.save(folder)
    predicted: list[int] = fitted.test.predicted.tolist()
    return predicted


def _row(name: str, results: Results) -> RowResult:
    if name != BEST:
        return results.row(name)
    if (tradeoff := weigh(results)) is None:
        done = [row for row in results.rows if row.done]
        if len(done) != 1:
            raise UserError("--keep best: there is no best row yet (docs/evidence.md): name a row")
        return done[0]
    return tradeoff.recommended.result if tradeoff.recommended else tradeoff.best


def _on_validation(record: Record) -> tuple[float, float]:
    assert record.metrics is not None  # a finished run has them
    found = record.metrics.validation
    return found.accuracy, -(math.inf if found.log_loss is None else found.log_loss)
