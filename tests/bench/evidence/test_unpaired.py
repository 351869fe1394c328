import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from bench.evidence.unpaired import difference_of_shares


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
