"""Do start values and the order of training scatter alike, as Dodge et al. (2020) report of BERT?

Judged from studies that vary one thing at a time: `--vary init --vary order`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Literal

import numpy as np

from bench.evidence.student import Estimate
from gptcore.recipe import Seeds

ALIKE = 2.0  # standard deviations that differ by less than this factor count as alike
MIN_ROWS = 3
MIN_RUNS = 3  # of a series


@dataclass(frozen=True)
class Alike:
    """Standard deviation over start values, over that over orders: geometric mean of the rows, 95% interval."""

    ratio: float
    low: float
    high: float
    n_rows: int
    finding: Literal["holds", "contradicted", "undecided"]


def init_and_order(seeds: Sequence[Seeds], tables: Sequence[Sequence[float]], n_texts: int) -> Alike | None:
    """The claim judged by accuracies (shares) in `tables`, each a value a seed of one row.

    Each row gives one log ratio of variances; Student's t over the rows, which so need not scatter alike. It holds
    where the whole interval lies within a factor of ALIKE, else is contradicted where it excludes one. n_texts: test
    texts; accuracies are rounded to one text, whose variance is added on both sides. None without MIN_ROWS rows
    that vary, or without both series.
    """
    init, order = _series(seeds, "init"), _series(seeds, "order")
    if min(len(init), len(order)) < MIN_RUNS:
        return None
    rounding = 1 / (12 * n_texts**2)
    logs = []
    for values in tables:
        of_init, of_order = (float(np.var([values[i] for i in part], ddof=1)) for part in (init, order))
        if of_init or of_order:
            logs.append(np.log(of_init + rounding) - np.log(of_order + rounding))
    if len(logs) < MIN_ROWS:
        return None
    estimate = Estimate(float(np.mean(logs)), float(np.var(logs, ddof=1)) / len(logs), len(logs) - 1)
    half = estimate.half_width()
    low, high = (exp((estimate.value + side) / 2) for side in (-half, half))
    finding: Literal["holds", "contradicted", "undecided"] = "undecided"
    if low > 1 / ALIKE and high < ALIKE:
        finding = "holds"
    elif low > 1 or high < 1:
        finding = "contradicted"
    return Alike(exp(estimate.value / 2), low, high, len(logs), finding)


def _series(seeds: Sequence[Seeds], kind: str) -> list[int]:
    """The first seed, and those that differ from it in this kind alone."""
    first = seeds[0].model_dump()
    return [
        index
        for index, each in enumerate(seeds)
        if {name for name, value in each.model_dump().items() if value != first[name]} <= {kind}
    ]
