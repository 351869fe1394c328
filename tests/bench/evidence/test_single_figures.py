import math

import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep

from bench.evidence.models import p_texts
from bench.evidence.published_counts import p_range
from bench.evidence.single_figures import most_discordant, time_ratio_range, widest_difference


def pairings(ours: int, theirs: int, n: int) -> list[tuple[int, int]]:
    """Every (only ours right, only theirs right) that two counts allow, from the number right in both."""
    return [
        (ours - both, theirs - both)
        for both in range(min(ours, theirs) + 1)
        if ours + theirs - both <= n  # what neither has right cannot be negative
    ]


@pytest.mark.parametrize(
    ("ours", "theirs", "n"), [(20, 17, 20), (9, 12, 20), (7, 7, 20), (20, 0, 20), (3, 2, 9)]
)
def test_the_range_of_p_is_that_of_every_pairing(ours: int, theirs: int, n: int) -> None:
    every = [p_texts(*pair) for pair in pairings(ours, theirs, n)]
    assert p_range([ours], [theirs], n) == pytest.approx((min(every), max(every)))
    assert sum(most_discordant(ours, theirs, n)) == max(sum(pair) for pair in pairings(ours, theirs, n))


@pytest.mark.parametrize(("b", "c"), [(0, 0), (10, 0), (5, 15), (7, 7)])
def test_mcnemar_is_that_of_statsmodels(b: int, c: int) -> None:
    expected = mcnemar([[100, b], [c, 20]], exact=True).pvalue if b + c else 1.0
    assert p_texts(b, c) == pytest.approx(expected)


def test_the_interval_without_correlation_is_newcombes_for_independent_shares() -> None:
    # A classifier that is always right is correlated with nothing; in other pairings the interval is wider.
    difference = widest_difference(20, 13, 20)
    low, high = confint_proportions_2indep(20, 20, 13, 20, method="newcomb", compare="diff")
    assert (difference.low, difference.high) == pytest.approx((low, high))
    low, high = confint_proportions_2indep(285, 300, 225, 300, method="newcomb", compare="diff")
    widest = widest_difference(285, 225, 300)
    assert widest.low < low < widest.mean < high < widest.high


def test_the_interval_turns_with_the_sides() -> None:
    one, other = widest_difference(295, 285, 300), widest_difference(285, 295, 300)
    assert (one.mean, one.low, one.high) == pytest.approx((-other.mean, -other.high, -other.low))


def test_rounded_times() -> None:
    low, high = time_ratio_range(0.69, 0.28)
    assert low < 0.69 / 0.28 < high
    assert (low, high) == pytest.approx((0.685 / 0.285, 0.695 / 0.275))
    assert math.prod(time_ratio_range(0.28, 0.28)) == pytest.approx(1)
