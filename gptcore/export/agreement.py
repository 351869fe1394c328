"""Whether an export answers as the classifier it was made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gptcore.classifier import TextClassifier
from gptcore.errors import UserError
from gptcore.product.answers import Answers

TOLERANCE = 1e-4  # of a probability; printed ones are rounded to as much


def check_probabilities(
    classifier: TextClassifier, expected: np.ndarray, found: np.ndarray, texts: Sequence[str]
) -> None:
    """expected, found: (N, n_labels) of N texts. Raises UserError where an answer or a probability differs."""
    same = classifier.decide(found) == classifier.decide(expected)
    difference = abs(found - expected).max(axis=1)
    _refuse(
        same & (difference <= TOLERANCE), texts, f"largest difference of a probability: {max(difference):.2g}"
    )


def check_printed(expected: Answers, found: Sequence[tuple[str, float]], lines: Sequence[str]) -> None:
    """What the folder's own command printed of each line, against `predict`. Raises UserError where it differs."""
    if len(found) != len(lines):
        raise UserError(
            f"the export's command prints {len(found)} answers to {len(lines)} lines; it was removed"
        )
    labels, printed = zip(*found, strict=True)
    difference = abs(np.array(printed) - expected.probabilities)
    same = np.array(labels) == np.array([_shown(label) for label in expected.labels])
    _refuse(same & (difference <= 2 * TOLERANCE), lines, "as its command prints them")


def _refuse(equal: np.ndarray, texts: Sequence[str], told: str) -> None:
    if not equal.all():
        at = int(np.flatnonzero(~equal)[0])
        raise UserError(
            f"the export agrees on {int(equal.sum())} of {len(texts)} test texts only ({told}), first not on "
            f"{texts[at][:60]!r}; it was removed"
        )


def _shown(label: str) -> str:
    return "".join(c if c.isprintable() else " " for c in label)
