"""The folder that `fit` leaves: written beside its place, verified there, and then moved to it."""

from __future__ import annotations

import os
import platform
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from gptcore.calibration import calibration_error
from gptcore.classifier import TextClassifier
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.files import cannot_write, write_whole
from gptcore.paths import path_kind
from gptcore.product.answers import tokens_read
from gptcore.product.card import model_card
from gptcore.product.data_source import DataSource
from gptcore.product.fitting import Fitted
from gptcore.product.report import REPORT, Costs, Data, FitReport, Metrics, class_sizes
from gptcore.product.verify import verify_folder
from gptcore.result import Evaluation

CARD = "README.md"
_LIBRARIES = (
    "gpt-classifier-bench",
    "torch",
    "numpy",
    "scikit-learn",
    "tiktoken",
    "tokenizers",
    "safetensors",
)


@dataclass(frozen=True, eq=False)
class Written:
    """A folder that has been verified, and its report."""

    folder: Path
    report: FitReport


def check_target(folder: Path) -> None:
    """Raises UserError where there is something at the place of the folder already, or where it cannot be made."""
    if path_kind(folder) is not None or folder.is_symlink():
        raise UserError(f"--out {folder} exists: remove it or name another folder")
    within = next(parent for parent in folder.absolute().parents if path_kind(parent) is not None)
    if path_kind(within) != "folder":
        raise UserError(f"--out {folder}: {within} is a file: name another folder")
    if not os.access(within, os.W_OK | os.X_OK):
        raise UserError(
            f"--out {folder}: {within} cannot be written: make it writable or name another folder"
        )


def write_folder(
    folder: Path,
    fitted: Fitted,
    data: Dataset,
    seed: int,
    cost: float | None,
    source: DataSource | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Written:
    """Test, save, verify in a new process, and move into place; a folder that fails is not left behind.

    cost: of a false positive, where the classifier has a threshold for it; source: where the data can be read again;
    progress: called with a line before each step. Raises UserError.
    """
    check_target(folder)
    device = str(device_of(fitted.classifier))
    progress(f"testing: {len(data.test):,} texts")
    probabilities = fitted.classifier.predict_proba(data.test.texts)
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        progress("saving")
        fitted.classifier.save(part)
        progress(f"verifying: a new process opens the folder and answers {len(data.test):,} texts")
        report = FitReport(
            data=_data(data),
            source=source,
            seed=seed,
            tokens_per_row=tokens_read(fitted.classifier),
            epochs=fitted.epochs,
            calibration=fitted.calibration,
            abstaining=fitted.abstaining,
            costs=_costs(cost, fitted.classifier, probabilities, data.test.labels),
            test=test_metrics(fitted.classifier, probabilities, data.test.labels),
            n_verified=verify_folder(part, data.test.texts, probabilities, device),
            fit_s=round(fitted.fit_s, 1),
            versions=_versions(),
            notes=(*data.warnings, *fitted.notes),
        )
        write_whole(part / REPORT, report.model_dump_json(indent=1) + "\n")
        write_whole(part / CARD, model_card(folder.name, fitted.classifier.recipe, data.label_names, report))
        check_target(folder)
        part.rename(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Written(folder, report)


def device_of(classifier: TextClassifier) -> str:
    """Where its network computes; "cpu" without one."""
    network = getattr(classifier.predictor, "network", None)
    return "cpu" if network is None else str(network.device)


def test_metrics(classifier: TextClassifier, probabilities: np.ndarray, labels: np.ndarray) -> Metrics:
    """Of the answers to N texts. probabilities: (N, n_labels); labels: (N,) int64."""
    from sklearn.metrics import confusion_matrix, f1_score

    answers = classifier.decide(probabilities)
    correct = int((answers == labels).sum())
    table = confusion_matrix(labels, answers, labels=range(len(classifier.labels)))
    return Metrics(
        n=len(labels),
        correct=correct,
        accuracy=correct / len(labels),
        macro_f1=float(f1_score(labels, answers, average="macro", zero_division=0.0)),
        log_loss=Evaluation(labels, probabilities).log_loss,
        calibration_error=calibration_error(probabilities, labels),
        confusion=tuple(tuple(int(n) for n in row) for row in table),
    )


def _costs(
    cost: float | None, classifier: TextClassifier, probabilities: np.ndarray, labels: np.ndarray
) -> Costs | None:
    if cost is None or classifier.threshold is None:
        return None
    positive = classifier.labels.index(classifier.threshold.positive)

    def total(answers: np.ndarray) -> float:
        false = answers != labels
        return float(cost * (false & (answers == positive)).sum() + (false & (answers != positive)).sum())

    return Costs(
        false_positive=cost,
        positive=classifier.threshold.positive,
        threshold=classifier.threshold.at,
        test_cost=total(classifier.decide(probabilities)),
        test_cost_without=total(probabilities.argmax(axis=1)),
    )


def _data(data: Dataset) -> Data:
    sizes = class_sizes(
        data.label_names,
        [*data.train.labels.tolist(), *data.validation.labels.tolist(), *data.test.labels.tolist()],
    )
    return Data(
        name=data.name,
        fingerprint=data.fingerprint,
        source_fingerprint=data.source_fingerprint,
        split_seed=data.split_seed,
        n_train=len(data.train),
        n_validation=len(data.validation),
        n_test=len(data.test),
        classes=sizes,
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue  # run from a clone that is not installed
    return found
