"""`python -m gptcore predict`."""

from __future__ import annotations

import sys
from pathlib import Path

from typer import Argument, echo


def predict(
    folder: Path = Argument(help="folder written by `TextClassifier.save`"),
    texts: list[str] = Argument(None, help="texts to classify; default: the lines of standard input"),
) -> None:
    """Print the label of each text and its probability, one text per line."""
    from gptcore.classifier import TextClassifier

    classifier = TextClassifier.load(folder)
    asked = texts or sys.stdin.read().splitlines()
    probabilities = classifier.predict_proba(asked)
    for row, answer in zip(probabilities, classifier.decide(probabilities), strict=True):
        echo(f"{classifier.labels[answer]}\t{row[answer]:.4f}")
