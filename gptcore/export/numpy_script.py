"""A TF-IDF classifier as arrays and a script that needs numpy alone. Imports no torch."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from gptcore.classifier import TextClassifier
from gptcore.export.formats import ExportFormat
from gptcore.export.script import ABOUT, SCRIPT, about_labels, printed, probabilities, script
from gptcore.files import write_whole
from gptcore.training.predictors import TfidfPredictor

ARRAYS = "model.npz"


def obstacle(classifier: TextClassifier) -> str | None:
    """Why it is not TF-IDF; None where it is."""
    if isinstance(classifier.predictor, TfidfPredictor):
        return None
    return "it has a network, and the script counts words: use --to onnx"


def write(classifier: TextClassifier, folder: Path) -> None:
    """Write script, arrays and `classifier.json`; the temperature goes into the arrays. Raises UserError."""
    assert isinstance(classifier.predictor, TfidfPredictor)
    learned, details = classifier.predictor.learned(), classifier.predictor.details()
    weight = learned["coefficients"] / classifier.temperature
    bias = learned["intercepts"] / classifier.temperature
    if len(weight) == 1:  # of two classes, scikit-learn keeps the logit of the second alone
        weight, bias = (np.concatenate([np.zeros_like(part), part]) for part in (weight, bias))
    arrays: dict[str, Any] = {"bias": bias}
    parts, begin = [], 0
    for i, (name, said) in enumerate(details["counts"].items()):
        n_terms = len(said["terms"])
        arrays |= {
            f"idf{i}": learned[f"idf.{name}"],
            f"weight{i}": weight[:, begin : begin + n_terms],
        }
        parts.append({**said["settings"], "terms": said["terms"]})
        begin += n_terms
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    about = {
        **about_labels(classifier),
        "threshold": classifier.threshold and classifier.threshold.model_dump(),
        "counts": parts,
    }
    files: dict[str, str | bytes] = {SCRIPT: script("predict_numpy"), ARRAYS: content.getvalue()}
    files[ABOUT] = json.dumps(about, ensure_ascii=False) + "\n"
    for file, data in files.items():
        write_whole(folder / file, data)


NUMPY = ExportFormat(
    packages=(),
    extra="",
    obstacle=obstacle,
    write=write,
    probabilities=probabilities,
    printed=printed,
)
