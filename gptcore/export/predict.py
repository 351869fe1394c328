"""Classifies texts: python predict.py "a text" "another", or a text per line of standard input."""

import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
from model import probabilities  # model.py beside this file

ABOUT = json.loads(Path(__file__).with_name("classifier.json").read_text(encoding="utf-8"))


def decide(answer: np.ndarray) -> int:
    """Index of the label for the probabilities (n_labels,) of a text: the most probable one, unless there is a
    threshold.
    """
    if (threshold := ABOUT["threshold"]) is None:
        return int(answer.argmax())
    positive: int = ABOUT["labels"].index(threshold["positive"])
    return positive if answer[positive] >= threshold["at"] else 1 - positive


def line(text: str, answer: np.ndarray) -> str:
    """A label and its own probability, between them a tab; no label for a text of which nothing can be seen."""
    if all(c.isspace() or unicodedata.category(c) in ("Cf", "Cc") for c in text):
        return "\t0.0000"
    at = decide(answer)
    label = "".join(c if c.isprintable() else " " for c in ABOUT["labels"][at])
    return f"{label}\t{answer[at]:.4f}"


if __name__ == "__main__":
    TEXTS = sys.argv[1:] or [text.removesuffix("\n") for text in sys.stdin]
    for each in zip(TEXTS, probabilities(TEXTS), strict=True):
        print(line(*each))
