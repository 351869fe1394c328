"""The paired bootstrap against cases with a known answer."""

import numpy as np
import pytest

from bench.evidence.paired import paired_bootstrap


def test_equal_rows_have_no_difference() -> None:
    right = np.random.default_rng(0).integers(0, 2, (3, 50))
    found = paired_bootstrap(right, right)
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)
    assert not found.excludes_zero


def test_a_row_that_is_always_right_where_the_other_never_is() -> None:
    found = paired_bootstrap(np.ones((2, 20)), np.zeros((2, 20)))
    assert (found.mean, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))
    assert found.excludes_zero


def test_with_one_seed_the_interval_is_that_of_the_examples() -> None:
    """One seed: the bootstrap's standard error is that of a mean over examples."""
    random = np.random.default_rng(1)
    ours, theirs = random.random((1, 400)) < 0.9, random.random((1, 400)) < 0.8
    found = paired_bootstrap(ours, theirs)
    difference = ours.astype(float) - theirs
    half = 1.96 * difference.std() / np.sqrt(400)
    assert found.mean == pytest.approx(difference.mean())
    assert found.high - found.low == pytest.approx(2 * half, rel=0.08)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """300 simulated studies of 5 seeds and 100 examples with true difference 0: at least 93% cover it."""
    random = np.random.default_rng(2)
    covered = 0
    for _ in range(300):
        hardness = random.normal(1.2, 1, 100)
        ours, theirs = ((random.normal(0, 1, (5, 100)) + hardness) > 0 for _ in range(2))
        found = paired_bootstrap(ours, theirs, n_resamples=1000)
        covered += found.low <= 0 <= found.high
    assert covered >= 279


def test_rows_that_are_not_paired_are_refused() -> None:
    with pytest.raises(ValueError, match="equal shapes"):
        paired_bootstrap(np.ones((2, 3)), np.ones((3, 3)))
