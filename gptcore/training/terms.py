"""Which characters of a text each term of TF-IDF stands for, and how much a linear model makes of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from gptcore.training.logistic import LogisticFit, parts_of

Span = tuple[int, int]  # begin and end of some characters


def character_weights(fit: LogisticFit, text: str, answer: int, other: int) -> tuple[np.ndarray, float]:
    """What each character adds to the logit of class `answer` less that of `other`, (N,) float64, and what no character
    does: the intercepts. Both together are the logit difference.

    A term's part is divided among the places where it stands, there among its words, and there among the characters.
    """
    coefficients, rest = _of_two(fit.pipeline[-1], answer, other)
    weights, begin = np.zeros(len(text)), 0
    for vectoriser in parts_of(fit.pipeline[0]).values():
        found = vectoriser.transform([text]).tocoo()
        places = _places(vectoriser, text)
        for column, value in zip(found.col.tolist(), found.data.tolist(), strict=True):
            part = value * float(coefficients[begin + column])
            occurrences = places[column]
            for spans in occurrences:
                for low, high in spans:
                    weights[low:high] += part / len(occurrences) / len(spans) / (high - low)
        begin += len(vectoriser.vocabulary_)
    return weights, rest


def _of_two(model: Any, answer: int, other: int) -> tuple[np.ndarray, float]:
    """Coefficients and intercept of one class less those of another; of two, scikit-learn keeps the difference."""
    if len(model.classes_) == 2:
        sign = 1 if answer == 1 else -1
        return sign * model.coef_[0], float(sign * model.intercept_[0])
    coefficients = model.coef_[answer] - model.coef_[other]
    return coefficients, float(model.intercept_[answer] - model.intercept_[other])


def _places(vectoriser: Any, text: str) -> dict[int, list[tuple[Span, ...]]]:
    """Number of a term -> where it stands: the words or characters that it consists of, as places of the text."""
    lowered, origin = _lowered(text)
    kind = _characters if vectoriser.analyzer == "char_wb" else _words
    vocabulary, found = vectoriser.vocabulary_, defaultdict(list)
    for term, spans in kind(vectoriser, lowered):
        if (number := vocabulary.get(term)) is not None:
            found[number].append(tuple((origin[low], origin[high - 1] + 1) for low, high in spans))
    return found


def _lowered(text: str) -> tuple[str, list[int]]:
    """The text in lower case, and which character of the text each of its characters comes from."""
    lengths = [len(character.lower()) for character in text]
    return text.lower(), [at for at, length in enumerate(lengths) for _ in range(length)]


def _words(vectoriser: Any, text: str) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """The n-grams of words, as scikit-learn has them."""
    tokens = [(match.group(), match.span()) for match in re.finditer(vectoriser.token_pattern, text)]
    low, high = vectoriser.ngram_range
    for n in range(low, high + 1):
        for at in range(len(tokens) - n + 1):
            some = tokens[at : at + n]
            yield " ".join(token for token, _ in some), tuple(span for _, span in some)


def _characters(vectoriser: Any, text: str) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """The n-grams of characters within words, whose ends count as a blank, as scikit-learn has them."""
    low, high = vectoriser.ngram_range
    for match in re.finditer(r"\S+", text):
        begin, end = match.span()
        word = f" {match.group()} "
        for n in range(low, high + 1):
            for at in range(max(1, len(word) - n + 1)):
                inside = (max(begin, begin + at - 1), min(end, begin + at - 1 + n))
                yield word[at : at + n], (inside if inside[0] < inside[1] else (begin, end),)
            if len(word) <= n:
                break
