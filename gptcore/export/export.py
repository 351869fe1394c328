"""Export, compare with the original on the test texts, keep only what agrees."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import numpy as np

from gptcore.classifier import TextClassifier
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.export.formats import ExportFormat, FormatName
from gptcore.export.gguf import GGUF
from gptcore.export.hf import HF
from gptcore.export.onnx import ONNX
from gptcore.export.peft import PEFT
from gptcore.extras import require
from gptcore.files import cannot_write
from gptcore.product.folder import check_target
from gptcore.product.report import read_report

TOLERANCE = 1e-4  # of a probability
FORMATS: dict[FormatName, ExportFormat] = {"hf": HF, "peft": PEFT, "onnx": ONNX, "gguf": GGUF}


def export(folder: Path, data: Dataset, to: FormatName, out: Path) -> int:
    """Export a classifier that `fit` made; returns the number of test predictions that were compared, all equal.

    data: what it was fitted on, whose test part is used. Raises UserError where a package is missing, the classifier
    cannot be expressed, the data is other data, or a prediction differs; nothing is left then.
    """
    check_target(out)
    report = read_report(folder)
    if data.fingerprint != report.data.fingerprint:
        raise UserError(
            f"--data {data.name} is not the data that {folder} was fitted on ({report.data.name}): give the same file "
            "and options"
        )
    made = FORMATS[to]
    for package in made.packages:
        require(package, f"--to {to}", made.extra)
    classifier = TextClassifier.load(folder)
    if (reason := made.obstacle(classifier)) is not None:
        raise UserError(f"--to {to} cannot express this classifier: {reason}")
    texts = data.test.texts
    expected = classifier.predict_proba(texts)
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex}.part")
    try:
        made.write(classifier, part)
        found = made.probabilities(part, texts)
        equal = (classifier.decide(found) == classifier.decide(expected)) & (
            abs(found - expected).max(axis=1) <= TOLERANCE
        )
        if not equal.all():
            at = int(np.flatnonzero(~equal)[0])
            raise UserError(
                f"the export agrees on {int(equal.sum())} of {len(texts)} test texts only (largest difference of a "
                f"probability: {abs(found - expected).max():.2g}), first not on {texts[at][:60]!r}; it was removed"
            )
        check_target(out)
        part.rename(out)
    except OSError as error:
        raise cannot_write(out, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return len(texts)
