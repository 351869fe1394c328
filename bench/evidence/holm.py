"""Holm's correction (1979) for many tests, each with its weight."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)

ALPHA = 0.05  # share of studies that may err, for each of the two kinds of statement


def holm(p_values: Mapping[Name, float], weights: Mapping[Name, float] | None = None) -> dict[Name, float]:
    """Adjusted p values: at level alpha, the chance of any false rejection is alpha at most.

    A test of twice the weight gets twice the share of alpha; all weigh 1 unless said otherwise. Weights must be
    above zero and fixed before the data are seen.
    """
    weight = {name: (weights or {}).get(name, 1.0) for name in p_values}
    left, highest = sum(weight.values()), 0.0
    adjusted = {}
    for name in sorted(p_values, key=lambda name: p_values[name] / weight[name]):
        highest = max(highest, min(1.0, p_values[name] * left / weight[name]))
        adjusted[name] = highest
        left -= weight[name]
    return {name: adjusted[name] for name in p_values}
