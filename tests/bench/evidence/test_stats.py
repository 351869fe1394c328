import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from bench.evidence.stats import difference_of_shares, wilson


@given(st.integers(1, 5000), st.floats(0, 1), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_equals_statsmodels(n: int, share: float, level: float) -> None:
    expected = proportion_confint(share * n, n, alpha=1 - level, method="wilson")
    assert wilson(share, n, level) == pytest.approx(expected, abs=1e-9)


def test_known_interval() -> None:
    # Newcombe 1998, table I: 81 of 263.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_certain_looking_shares_stay_inside_and_keep_width(share: float) -> None:
    low, high = wilson(share, 20)
    assert 0 <= low <= share <= high <= 1
    assert high - low > 0.1


@pytest.mark.parametrize(
    ("share", "n", "level"), [(0.5, 0, 0.95), (1.1, 10, 0.95), (-0.1, 10, 0.95), (0.5, 10, 1)]
)
def test_impossible_input(share: float, n: int, level: float) -> None:
    with pytest.raises(ValueError, match="no interval"):
        wilson(share, n, level)


@pytest.mark.parametrize(
    ("right", "n", "other", "m"), [(285, 300, 225, 300), (56, 70, 48, 80), (10, 10, 0, 10)]
)
def test_independent_shares_have_newcombes_interval(right: int, n: int, other: int, m: int) -> None:
    found = difference_of_shares(right / n, n, other / m, m)
    low, high = confint_proportions_2indep(right, n, other, m, method="newcomb", compare="diff")
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.mean == pytest.approx(right / n - other / m)


def test_newcombes_own_example() -> None:
    found = difference_of_shares(56 / 70, 70, 48 / 80, 80)  # his table II, example (a): 0.0524 to 0.3339
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_answers_that_go_together_narrow_the_interval_and_opposed_ones_widen_it() -> None:
    apart, alone, together = (difference_of_shares(0.9, 100, 0.8, 100, phi) for phi in (-0.3, 0.0, 0.6))
    assert apart.low < alone.low < together.low < together.high < alone.high < apart.high
