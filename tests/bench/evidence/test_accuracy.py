"""The interval of a row's own accuracy: Wilson's with few seeds, over seeds and texts with more."""

from types import ModuleType

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from bench.evidence.accuracy import accuracy_interval
from bench.evidence.results import RowResult


def row_of(rows: ModuleType, right: np.ndarray) -> RowResult:
    """A row with these right answers (n_seeds, 300), all on the same texts."""
    made: RowResult = rows.make_row("row", [list(np.flatnonzero(line == 0)) for line in right])
    return made


def test_with_one_or_two_seeds_it_is_wilsons(rows: ModuleType) -> None:
    row = row_of(rows, np.repeat([[0] * 30 + [1] * 270], 2, axis=0))
    for runs in (row.done[:1], row.done):
        assert accuracy_interval(runs) == pytest.approx(proportion_confint(270, 300, method="wilson"))


def test_it_holds_the_truth_where_seeds_scatter(rows: ModuleType) -> None:
    """Fault E9: Wilson's for the texts of one seed missed the mean of a restless row in most studies."""
    random = np.random.default_rng(4)
    held, wilsons = 0, 0
    for _ in range(100):
        shares = 1 / (1 + np.exp(-(1.2 + random.normal(0, 0.7, 5))))
        right = (random.random((5, 300)) < shares[:, None]).astype(int)
        low, high = accuracy_interval(row_of(rows, right).done)
        truth = float((1 / (1 + np.exp(-(1.2 + np.random.default_rng(0).normal(0, 0.7, 100_000))))).mean())
        held += low <= truth <= high
        narrow = proportion_confint(right.mean() * 300, 300, method="wilson")
        wilsons += narrow[0] <= truth <= narrow[1]
    assert wilsons <= 70
    assert held >= 88


def test_steady_seeds_on_the_same_texts_are_worth_the_texts_of_one(rows: ModuleType) -> None:
    right = np.repeat([[0] * 30 + [1] * 270], 8, axis=0)
    low, high = accuracy_interval(row_of(rows, right).done)
    expected = proportion_confint(270, 300, method="wilson")
    assert (low, high) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("share", [0, 1])
def test_it_stays_within_its_range(rows: ModuleType, share: int) -> None:
    low, high = accuracy_interval(row_of(rows, np.full((3, 300), share)).done)
    assert 0 <= low <= share <= high <= 1
    assert high - low > 0.005
