"""From texts to answers: long ones as asked, blank ones and those that are too uncertain without a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gptcore.classifier import TextClassifier
from gptcore.data.checks import is_blank
from gptcore.data.tokenizer import without_specials
from gptcore.errors import UserError
from gptcore.training.predictors import TokenPredictor

Long = Literal["head", "head+tail", "window"]
WINDOWS_AT_A_TIME = 1024


@dataclass(frozen=True, eq=False)
class Answers:
    """Of N texts. labels: "" where there is none; probabilities: (N,) of the best label; 0 for a blank text.

    cut: (N,) bool, whether a text is longer than the model's rows; of_labels: (N, n_labels) of every label.
    """

    labels: list[str]
    probabilities: np.ndarray
    cut: np.ndarray
    of_labels: np.ndarray


def check_long(classifier: TextClassifier, long: Long) -> None:
    """Raises UserError where a way to read long texts is asked of what reads texts whole."""
    if long != "head" and not isinstance(classifier.predictor, TokenPredictor):
        raise UserError(f"--long {long}: this classifier reads every text whole: leave it out")


def answer(
    classifier: TextClassifier, texts: Sequence[str], long: Long = "head", abstain: float = 0.0
) -> Answers:
    """Answer N texts.

    long: what is read of a text that is longer than the model's rows: its first tokens, as in training; the first
    half and the last; or windows of it, whose probabilities are averaged. abstain: below this probability there is no
    label. Raises UserError as `check_long` does.
    """
    check_long(classifier, long)
    probabilities, cut = _probabilities(classifier, texts, long)
    chosen = classifier.decide(probabilities)
    best = probabilities[np.arange(len(chosen)), chosen]
    blank = np.array([is_blank(text) for text in texts], dtype=bool)
    labels = [
        "" if nothing or sure < abstain else classifier.labels[at]
        for at, sure, nothing in zip(chosen, best, blank, strict=True)
    ]
    return Answers(labels, np.where(blank, 0.0, best), cut, probabilities)


def tokens_read(classifier: TextClassifier) -> int | None:
    """Tokens of a text that are read at once; None where a text is read whole."""
    predictor = classifier.predictor
    return predictor.tokens_per_row if isinstance(predictor, TokenPredictor) else None


def _probabilities(
    classifier: TextClassifier, texts: Sequence[str], long: Long
) -> tuple[np.ndarray, np.ndarray]:
    """(N, n_labels) and whether each text is longer than a row, (N,) bool."""
    predictor = classifier.predictor
    if not texts or not isinstance(predictor, TokenPredictor):
        return classifier.predict_proba(texts), np.zeros(len(texts), dtype=bool)
    length, tokenizer = predictor.tokens_per_row, predictor.tokenizer
    around = len(tokenizer.prefix) + len(tokenizer.suffix)
    parts, owners, cut = [], [], []
    for at, sequence in enumerate(tokenizer.encode_batch(texts)):
        pieces = pieces_of(without_specials(tokenizer, sequence), length - around, long)
        parts += [[*tokenizer.prefix, *piece, *tokenizer.suffix] for piece in pieces]
        owners += [at] * len(pieces)
        cut.append(len(sequence) > length)
    found = classifier.calibrated(
        np.concatenate(
            [
                predictor.of_sequences(parts[begin : begin + WINDOWS_AT_A_TIME])
                for begin in range(0, len(parts), WINDOWS_AT_A_TIME)
            ]
        )
    )
    sums = np.zeros((len(texts), found.shape[1]))
    np.add.at(sums, owners, found)
    return sums / np.bincount(owners)[:, None], np.array(cut)


def pieces_of(sequence: Sequence[int], length: int, long: Long) -> list[Sequence[int]]:
    """What is read of a text of so many tokens, each piece at most `length` of them.

    Windows follow one another; the last one ends with the text, and so may overlap the one before.
    """
    if len(sequence) <= length:
        return [sequence]
    if long == "head":
        return [sequence[:length]]
    if long == "head+tail":
        tail = length // 2
        return [[*sequence[: length - tail], *sequence[len(sequence) - tail :]]]
    starts = [*range(0, len(sequence) - length, length), len(sequence) - length]
    return [sequence[start : start + length] for start in starts]
