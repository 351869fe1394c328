"""A shorter form of the probabilities of two classes, for a packed record: the same values to the last digit.

Test texts times runs are most of what a study stores, and a text's probabilities follow from its loss but for the last
digit. They are whole numbers of millionths here.
"""

from __future__ import annotations

from array import array
from math import exp
from typing import Any

_ONE = 10**6  # a probability of 1: a record keeps six digits


def shorten(test: dict[str, Any]) -> dict[str, Any]:
    """The outcome of a test split with its probabilities shortened, where a shorter form says the same.

    The form is the second class's probabilities alone or, of a record with losses, an object:

    - `above_loss`: of each text, what the true class's probability has above that of its loss, exp(-loss);
    - `above_rest`: what the other class's has above the rest to 1; null where all are that rest;
    - `float32`: whether the digits were stored as float32 (older records).
    """
    both = test["probabilities"]
    if any(len(row) != 2 for row in both):
        return test
    for form in (_by_loss(test), [second for _, second in both]):
        if form and lengthen(short := test | {"probabilities": form}) == test:
            return short
    return test


def lengthen(test: dict[str, Any]) -> dict[str, Any]:
    """The outcome that was shortened. Raises KeyError, TypeError or ValueError for what no `shorten` gave."""
    form = test["probabilities"]
    if isinstance(form, dict):
        pairs = _from_loss(test["labels"], test["losses"], **form)
    elif form and not isinstance(form[0], list):
        pairs = [[round(1 - second, 6), second] for second in form]
    else:
        return test
    return test | {"probabilities": pairs}


def _by_loss(test: dict[str, Any]) -> dict[str, Any] | None:
    labels, losses, both = test["labels"], test.get("losses"), test["probabilities"]
    if losses is None:
        return None
    true = [_millionths(row[label]) for row, label in zip(both, labels, strict=True)]
    other = [_millionths(row[1 - label]) for row, label in zip(both, labels, strict=True)]
    above_rest = [q - (_ONE - p) for p, q in zip(true, other, strict=True)]
    return {
        "above_loss": [p - _millionths(exp(-loss)) for p, loss in zip(true, losses, strict=True)],
        "above_rest": above_rest if any(above_rest) else None,
        "float32": any(_millionths(p) / _ONE != p for row in both for p in row),
    }


def _from_loss(
    labels: list[int],
    losses: list[float],
    *,
    above_loss: list[int],
    above_rest: list[int] | None,
    float32: bool,
) -> list[list[float]]:
    pairs = []
    rest_of = above_rest or [0] * len(labels)
    for label, loss, more, rest in zip(labels, losses, above_loss, rest_of, strict=True):
        true = _millionths(exp(-loss)) + more
        other = _ONE - true + rest
        pair = [other / _ONE, true / _ONE] if label else [true / _ONE, other / _ONE]
        pairs.append(list(array("f", pair)) if float32 else pair)
    return pairs


def _millionths(p: float) -> int:
    return round(p * _ONE)
