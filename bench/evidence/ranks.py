"""Rows ranked over several datasets: Friedman's test and Nemenyi's critical difference (Demšar 2006, section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range

MIN_DATASETS = 4  # fewer say next to nothing of other datasets
MIN_ROWS = 3  # Friedman's test compares three or more; two rows are a case for a sign test


@dataclass(frozen=True)
class Ranks:
    """Average ranks of rows over datasets; 1 is the best, ties share the mean of their ranks."""

    average: dict[str, float]  # row -> average rank, best first
    n_datasets: int
    p_friedman: float  # of the hypothesis that all rows are equal
    critical_difference: float  # of two average ranks, level 0.05
    groups: list[tuple[str, ...]]  # largest sets of rows whose ranks lie within the critical difference


def rank_rows(scores: dict[str, Sequence[float]]) -> Ranks:
    """Rank rows by their score on each dataset, higher is better.

    scores: row -> one score a dataset, in the same order. Friedman's p is that of its chi-squared
    approximation. Raises ValueError for fewer than MIN_DATASETS datasets or MIN_ROWS rows.
    """
    table = np.array([list(values) for values in scores.values()])  # (rows, datasets)
    n_rows, n_datasets = table.shape
    if n_datasets < MIN_DATASETS or n_rows < MIN_ROWS:
        raise ValueError(f"{n_rows} rows on {n_datasets} datasets are too few to rank")
    ranks = rankdata(-table, axis=0).mean(axis=1)
    average = dict(sorted(zip(scores, map(float, ranks), strict=True), key=lambda item: item[1]))
    # Friedman's statistic is 0/0 where every dataset has all rows tied: then nothing speaks against equality.
    tied = bool((table == table[0]).all())
    difference = critical_difference(n_rows, n_datasets)
    return Ranks(
        average,
        n_datasets,
        1.0 if tied else float(friedmanchisquare(*table).pvalue),
        difference,
        _groups(average, difference),
    )


def critical_difference(n_rows: int, n_datasets: int, level: float = 0.95) -> float:
    """Nemenyi's critical difference of two average ranks: q sqrt(k (k + 1) / 6 N), with k rows on N datasets."""
    return nemenyi_q(n_rows, level) * math.sqrt(n_rows * (n_rows + 1) / (6 * n_datasets))


def nemenyi_q(n_rows: int, level: float = 0.95) -> float:
    """The studentised range statistic for `n_rows` groups and infinite degrees of freedom, over sqrt(2)."""
    return float(studentized_range.ppf(level, n_rows, np.inf)) / math.sqrt(2)


def _groups(average: dict[str, float], difference: float) -> list[tuple[str, ...]]:
    """Runs of two or more neighbours in rank within `difference`, none part of another."""
    names = list(average)
    groups: list[tuple[str, ...]] = []
    end = 0
    for start, name in enumerate(names):
        within = [other for other in names[start:] if average[other] - average[name] <= difference]
        if start + len(within) > end and len(within) > 1:
            groups.append(tuple(within))
        end = max(end, start + len(within))
    return groups
