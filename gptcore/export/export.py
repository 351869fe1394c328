"""Export, compare with the original on the test texts, keep only what agrees."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from gptcore.backbones.tokenizer_json import special_text
from gptcore.classifier import TextClassifier
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.export.agreement import check_printed, check_probabilities
from gptcore.export.formats import ExportFormat, FormatName
from gptcore.export.gguf import GGUF
from gptcore.export.head import predictor_of
from gptcore.export.hf import HF
from gptcore.export.numpy_script import NUMPY
from gptcore.export.onnx import ONNX
from gptcore.export.peft import PEFT
from gptcore.extras import require
from gptcore.files import cannot_write, usual_mode
from gptcore.product.answers import answer
from gptcore.product.folder import check_target
from gptcore.product.report import read_report

ODD_LINES = ("", " \u200b", "one line\u2028to a command", "and\x85so\x0cis this")  # beside the test texts
FORMATS: dict[FormatName, ExportFormat] = {
    "hf": HF,
    "peft": PEFT,
    "onnx": ONNX,
    "gguf": GGUF,
    "numpy": NUMPY,
}


def check_packages(to: FormatName) -> None:
    """Raises UserError where a format needs a package that is not installed."""
    for package in FORMATS[to].packages:
        require(package, f"--to {to}", FORMATS[to].extra)


def export(
    folder: Path,
    data: Dataset,
    to: FormatName,
    out: Path,
    progress: Callable[[str], None] = lambda _line: None,
) -> int:
    """Export a classifier that `fit` made; returns the number of test predictions that were compared, all equal.

    data: what it was fitted on, whose test part is used; progress: called with a line before each step. Raises
    UserError where a package is missing, the classifier cannot be expressed, the data is other data, or a prediction
    differs; nothing is left then.
    """
    check_target(out)
    report = read_report(folder)
    if data.fingerprint != report.data.fingerprint:
        raise UserError(
            f"--data {data.name} is not the data that {folder} was fitted on ({report.data.name}): give the same file "
            "and options, or fit again if another version has split it"
        )
    made = FORMATS[to]
    check_packages(to)
    progress(f"loading: {folder}")
    classifier = TextClassifier.load(folder)
    if (reason := made.obstacle(classifier)) is not None:
        raise UserError(f"--to {to} cannot express this classifier: {reason}")
    texts = list(data.test.texts)
    if (predictor := predictor_of(classifier)) is not None:
        texts.append(special_text(predictor.tokenizer))
    lines = [*(text for text in texts if not {"\n", "\r"} & set(text)), *ODD_LINES]
    progress(f"answering: {len(texts):,} texts, with the classifier itself")
    own = classifier.predictor.probabilities(texts)
    printed = made.printed and answer(classifier, lines)
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex}.part")
    try:
        progress(f"writing: {to}")
        made.write(classifier, part)
        usual_mode(*(path for path in part.rglob("*") if path.is_file()))
        progress(f"verifying: the export answers {len(texts):,} texts")
        check_probabilities(classifier, own, made.probabilities(part, texts), texts)
        if made.printed and printed:
            check_printed(printed, made.printed(part, lines), lines)
        check_target(out)
        part.rename(out)
    except OSError as error:
        raise cannot_write(out, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return len(data.test)
