"""Whether an export answers as the classifier it was made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gptcore.classifier import TextClassifier
from gptcore.errors import UserError
from gptcore.product.answers import Answers
from gptcore.wording import one_line

TOLERANCE = 1e-4  # of a probability; printed ones are rounded to as much
LOGIT_TOLERANCE = 1e-5  # of a logit before the temperature, by the largest one where that is above 1
SEEN = 1e-6  # a probability whose logarithm is exact enough to compare
ROUNDING = 2**-23  # of a probability, as scikit-learn gives them of float32 features


def check_probabilities(
    classifier: TextClassifier, own: np.ndarray, found: np.ndarray, texts: Sequence[str]
) -> None:
    """Raises UserError where an answer, a probability or a logit differs.

    own: of the predictor, without the temperature, found: of the export, with it; both (N, n_labels) of N texts.
    """
    expected = classifier.calibrated(own)
    same = classifier.decide(found) == classifier.decide(expected)
    difference = abs(found - expected).max(axis=1)
    logits, theirs = _logits(own, own), classifier.temperature * _logits(found, own)
    seen = (own > SEEN) & (found > 0)
    of_logits = np.where(seen, abs(theirs - logits), 0)
    allowed = LOGIT_TOLERANCE * max(1, abs(logits[seen]).max()) + ROUNDING / np.maximum(own, SEEN)
    _refuse(
        same & (difference <= TOLERANCE) & (of_logits <= allowed).all(axis=1),
        texts,
        f"largest difference of a probability: {max(difference):.2g}, of a logit before the temperature: "
        f"{of_logits.max():.2g}",
    )


def check_printed(expected: Answers, found: Sequence[tuple[str, float]], lines: Sequence[str]) -> None:
    """What the folder's own command printed of each line, against `predict`. Raises UserError where it differs."""
    if len(found) != len(lines):
        raise UserError(
            f"the export's command prints {len(found)} answers to {len(lines)} lines; it was removed"
        )
    labels, printed = zip(*found, strict=True)
    difference = abs(np.array(printed) - expected.probabilities)
    same = np.array(labels) == np.array([one_line(label) for label in expected.labels])
    _refuse(same & (difference <= 2 * TOLERANCE), lines, "as its command prints them")


def _logits(probabilities: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(N, n_labels), less that of the label that is most probable in `own`."""
    logits = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    return np.asarray(logits - np.take_along_axis(logits, own.argmax(axis=1)[:, None], axis=1))


def _refuse(equal: np.ndarray, texts: Sequence[str], told: str) -> None:
    if not equal.all():
        at = int(np.flatnonzero(~equal)[0])
        raise UserError(
            f"the export agrees on {int(equal.sum())} of {len(texts)} test texts only ({told}), first not on "
            f"{texts[at][:60]!r}; it was removed"
        )
