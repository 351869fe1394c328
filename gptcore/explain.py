"""Which words of a text moved a classifier's answer: what is added to the logits by each, or lost without it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from gptcore.data.checks import is_blank
from gptcore.errors import UserError
from gptcore.training.predictors import TfidfPredictor
from gptcore.training.terms import Span, character_weights

if TYPE_CHECKING:
    from gptcore.classifier import TextClassifier

MOST_PIECES = 200  # that one text is divided into: each costs an answer
# Ideographs and kana one by one, for their scripts have no blanks; other words; signs between words.
_IDEOGRAPH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_PIECE = re.compile(rf"[{_IDEOGRAPH}]|[^\W{_IDEOGRAPH}]+(?:['’][^\W{_IDEOGRAPH}]+)*|[^\w\s]+")
_TINY = 1e-300  # the least probability whose logarithm is taken


@dataclass(frozen=True)
class Word:
    """A word, or several taken together, at text[begin:end]. weight: above 0 it speaks for the answer."""

    text: str
    begin: int
    end: int
    weight: float


@dataclass(frozen=True)
class Explanation:
    """Why a text is answered with `label` and not with `against`, the most probable other label.

    margin: the logit of the label less that of the other; words: in the order of the text. base: what the margin is
    without any word, where base and weights add up to the margin (TF-IDF); None where a weight is how much the margin
    falls when the word is left out (occlusion), which need not add up. words_at_a_time: words left out together.
    """

    text: str
    label: str
    probability: float
    against: str
    margin: float
    base: float | None
    words: tuple[Word, ...]
    words_at_a_time: int = 1

    def as_json(self) -> str:
        """On one line."""
        return json.dumps(asdict(self), ensure_ascii=False)


def explain(classifier: TextClassifier, text: str) -> Explanation:
    """See Explanation. Raises UserError for a text without anything to see."""
    if is_blank(text):
        raise UserError("the text is empty: there is no word to explain its answer by")
    found = classifier.predict_proba([text])
    answer = int(classifier.decide(found)[0])
    others = found[0].copy()
    others[answer] = -1
    other = int(others.argmax())
    if isinstance(classifier.predictor, TfidfPredictor):
        weights, base = character_weights(classifier.predictor.logistic, text, answer, other)
        spans, together = pieces(text, len(text))
        values = np.array([weights[low:high].sum() for low, high in spans])
        margin = float(weights.sum()) + base
        # Blanks belong to terms of characters too: what no piece has goes to the base.
        base = margin - float(values.sum())
    else:
        spans, together = pieces(text, MOST_PIECES)
        margins = _margins(classifier, [text, *(without(text, span) for span in spans)], answer, other)
        margin, base, values = float(margins[0]), None, margins[0] - margins[1:]
    scale = classifier.temperature
    return Explanation(
        text=text,
        label=classifier.labels[answer],
        probability=float(found[0, answer]),
        against=classifier.labels[other],
        margin=margin / scale,
        base=None if base is None else base / scale,
        words=tuple(
            Word(text[low:high], low, high, float(value) / scale)
            for (low, high), value in zip(spans, values, strict=True)
        ),
        words_at_a_time=together,
    )


def pieces(text: str, most: int) -> tuple[list[Span], int]:
    """Places of the words of a text, and how many are taken together so that there are `most` at most."""
    words = [match.span() for match in _PIECE.finditer(text)]
    n = max(1, -(-len(words) // most))
    groups = [words[at : at + n] for at in range(0, len(words), n)]
    return [(group[0][0], group[-1][1]) for group in groups], n


def without(text: str, span: Span) -> str:
    """The text without a word, nor the blanks behind it where there are some before it too."""
    before, behind = text[: span[0]], text[span[1] :]
    return before + (behind.lstrip() if not before or before[-1].isspace() else behind)


def _margins(classifier: TextClassifier, texts: Sequence[str], answer: int, other: int) -> np.ndarray:
    """(N,) the logit of one class less that of another, before the temperature."""
    found = np.log(np.maximum(classifier.predictor.probabilities(texts), _TINY))
    return np.asarray(found[:, answer] - found[:, other])
