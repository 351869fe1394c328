"""The test of trained models by group against every assignment of signs, scipy's permutation test and the sign test."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from bench.evidence.models import p_groups, p_texts


@pytest.mark.parametrize("seed", range(6))
def test_p_of_groups_counts_every_assignment_of_signs(seed: int) -> None:
    random = np.random.default_rng(seed)
    sums = random.integers(-6, 9, 9).astype(float)
    totals = np.array([np.dot(signs, sums) for signs in product((-1, 1), repeat=len(sums))])
    assert p_groups(sums) == pytest.approx(float(np.mean(abs(totals) >= abs(sums.sum()))))


def test_p_of_groups_is_scipys_sign_flip_test() -> None:
    sums = np.array([4.0, -1, 3, 5, 2, 0, 1, -2, 6, 1])
    found = stats.permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert p_groups(sums) == pytest.approx(float(found.pvalue))


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (9, 2), (30, 30), (5, 40), (300, 200)])
def test_groups_of_one_text_give_the_sign_test(wins: int, losses: int) -> None:
    sums = np.repeat([1.0, -1.0, 0.0], [wins, losses, 7])
    assert p_groups(sums) == pytest.approx(p_texts(wins, losses), abs=1e-14)


def test_few_groups_cannot_give_a_small_p() -> None:
    assert p_groups(np.full(5, 40.0)) == pytest.approx(2 / 32)
    assert p_groups(np.full(6, 40.0)) == pytest.approx(2 / 64)


def test_many_groups_take_no_time_and_p_is_never_zero() -> None:
    random = np.random.default_rng(0)
    sums = random.integers(-3, 5, 20_000).astype(float)
    assert 0 < p_groups(sums) < 1e-9
    balanced = np.concatenate([sums, -sums[1:]])
    normal = 2 * stats.norm.sf(abs(balanced.sum()) / np.sqrt((balanced**2).sum()))
    assert p_groups(balanced) == pytest.approx(normal, abs=0.01)
