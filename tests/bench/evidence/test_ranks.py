import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from bench.evidence.ranks import critical_difference, nemenyi_q, rank_rows


@pytest.mark.parametrize(
    ("n_rows", "q"),
    [
        (2, 1.960),
        (3, 2.343),
        (4, 2.569),
        (5, 2.728),
        (6, 2.850),
        (7, 2.949),
        (8, 3.031),
        (9, 3.102),
        (10, 3.164),
    ],
)
def test_q_is_that_of_demsars_table(n_rows: int, q: float) -> None:
    assert nemenyi_q(n_rows) == pytest.approx(q, abs=0.0015)  # the table is rounded, and from a table itself


def test_the_critical_difference_of_demsars_example() -> None:
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(5, 30, level=0.90) == pytest.approx(2.459 * (30 / 180) ** 0.5, abs=0.001)


def test_ranks_by_hand() -> None:
    ranks = rank_rows({"a": [3, 3, 2, 3], "b": [2, 3, 3, 2], "c": [1, 1, 1, 1]})
    # a: 1, 1.5, 2, 1; b: 2, 1.5, 1, 2; c: 3 on each
    assert ranks.average == {"a": 1.375, "b": 1.625, "c": 3.0}
    assert ranks.p_friedman == pytest.approx(
        friedmanchisquare([3, 3, 2, 3], [2, 3, 3, 2], [1, 1, 1, 1]).pvalue
    )
    assert ranks.critical_difference == pytest.approx(2.343 * (12 / 24) ** 0.5, abs=0.001)
    assert ranks.groups == [("a", "b", "c")]


def test_groups_are_the_largest_sets_within_the_critical_difference() -> None:
    n = 60
    ranks = rank_rows({name: np.full(n, -i) for i, name in enumerate("abcde")})
    assert 0.5 < ranks.critical_difference < 1
    assert ranks.groups == []
    ranks = rank_rows({name: np.full(15, -i) for i, name in enumerate("abcde")})
    assert 1 < ranks.critical_difference < 2
    assert ranks.groups == [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")]


def test_rows_that_tie_everywhere_are_equal() -> None:
    ranks = rank_rows({name: [0.5] * 4 for name in "abc"})
    assert set(ranks.average.values()) == {2.0}
    assert ranks.p_friedman == 1
    assert ranks.groups == [("a", "b", "c")]


def test_too_few_datasets_or_rows() -> None:
    with pytest.raises(ValueError, match="3 datasets"):
        rank_rows({name: [1, 2, 3] for name in "abc"})
    with pytest.raises(ValueError, match="2 rows"):
        rank_rows({name: [1, 2, 3, 4] for name in "ab"})
