"""Estimates against SciPy's t distribution."""

import pytest
from scipy import stats

from bench.evidence.student import Estimate

FOUND = Estimate(0.02, 0.0001, 4.0)


def test_the_interval_is_students() -> None:
    low, high = stats.t.interval(0.9, 4, loc=0.02, scale=0.01)
    found = FOUND.interval(0.9)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert FOUND.half_width(0.9) == pytest.approx((high - low) / 2)


def test_no_interval_leaves_the_range_of_differences() -> None:
    found = Estimate(0.5, 1.0, 1.0).interval()
    assert (found.low, found.high) == (-1.0, 1.0)


def test_tails_are_those_of_the_t_distribution() -> None:
    assert FOUND.above(0.01) == pytest.approx(stats.t.sf(-1, 4))
    assert FOUND.below(0.01) == pytest.approx(stats.t.cdf(-1, 4))
    assert FOUND.p_zero() == pytest.approx(2 * stats.t.sf(2, 4))
    assert FOUND.reversed.p_zero() == FOUND.p_zero()
    assert FOUND.reversed.above(0.01) == FOUND.below(-0.01)


def test_without_variance_there_is_no_doubt() -> None:
    sure = Estimate(0.0, 0.0, 1.0)
    assert (sure.above(-0.01), sure.above(0.01), sure.p_zero()) == (1.0, 0.0, 1.0)
    assert Estimate(0.1, 0.0, 1.0).p_zero() == 0.0
