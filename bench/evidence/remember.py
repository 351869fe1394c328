"""Answers that are asked for by many parts of a report and computed once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

_First = TypeVar("_First")
_P = ParamSpec("_P")
_R = TypeVar("_R")


def remembered(function: Callable[Concatenate[_First, _P], _R]) -> Callable[Concatenate[_First, _P], _R]:
    """Keep each answer with the first argument, as long as that lives. Arguments must never change.

    Objects count as equal where they are the same one: comparing thousands of records would take longer than the
    answer.
    """

    @wraps(function)
    def answer(first: _First, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        asked = (*args, *kwargs.items())
        key = (
            function.__qualname__,
            *(one if isinstance(one, int | str | float) else id(one) for one in asked),
        )
        kept = first.__dict__.setdefault("_remembered", {})
        if key not in kept:
            kept[key] = (function(first, *args, **kwargs), asked)  # asked: an id stays taken while it is kept
        found: _R = kept[key][0]
        return found

    return answer
