"""Paired means and ratios against cases with a known answer, resampling, and independent implementations."""

from math import inf, sqrt

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from bench.evidence.paired import PairedMean, p_mcnemar, paired_mean, paired_ratio


def same_examples(differences: np.ndarray) -> PairedMean:
    return paired_mean(list(differences), [np.arange(differences.shape[1])] * len(differences))


def own_examples(differences: np.ndarray) -> PairedMean:
    n_seeds, n = differences.shape
    return paired_mean(list(differences), [s * n + np.arange(n) for s in range(n_seeds)])


def some_differences(n_seeds: int = 6, n: int = 80, seed: int = 0) -> np.ndarray:
    """Differences with a part of each seed, of each example and of neither."""
    random = np.random.default_rng(seed)
    latent = random.normal(0, 0.4, (n_seeds, 1)) + random.normal(0, 1, n) + random.normal(0, 1, (n_seeds, n))
    return np.sign(latent) * (abs(latent) > 1)


# --- the mean and its variance ---------------------------------------------------------------------------


def test_equal_rows_have_no_difference() -> None:
    found = same_examples(np.zeros((3, 50)))
    interval = found.interval()
    assert (interval.mean, interval.low, interval.high) == (0.0, 0.0, 0.0)
    assert not interval.excludes_zero
    assert found.p_difference() == 1.0


def test_with_one_seed_the_interval_is_students_over_the_examples() -> None:
    difference = some_differences(1, 400)
    reference = DescrStatsW(difference[0])
    found = same_examples(difference)
    assert (found.interval().low, found.interval().high) == pytest.approx(reference.tconfint_mean())
    assert found.p_difference() == pytest.approx(reference.ttest_mean()[1])


def test_an_interval_ends_where_no_difference_can_lie() -> None:
    few = own_examples(np.array([[1, 1], [-1, 1]]))
    half = stats.t.ppf(0.975, few.dof()) * sqrt(few.variance())
    assert few.mean + half > 1
    assert (few.interval().low, few.interval().high) == (-1, 1)
    assert few.interval(0.1).high == pytest.approx(
        few.mean + stats.t.ppf(0.55, few.dof()) * sqrt(few.variance())
    )


def test_with_disjoint_examples_the_test_is_students_over_the_seeds() -> None:
    """Nothing is shared, so the seeds' means are all there is, and a t test of them is the answer."""
    differences = some_differences()
    reference = stats.ttest_1samp(differences.mean(axis=1), 0)
    found = own_examples(differences)
    assert found.p_difference() == pytest.approx(reference.pvalue)
    low, high = reference.confidence_interval(0.95)
    assert (found.interval().low, found.interval().high) == pytest.approx((low, high))


def test_with_shared_examples_the_variance_is_that_of_the_two_way_analysis() -> None:
    """Of a crossed table without replication: mean squares of seeds and examples less that of the residuals."""
    differences = some_differences()
    n_seeds, n = differences.shape
    by_seed, by_example = differences.mean(axis=1), differences.mean(axis=0)
    residuals = differences - by_seed[:, None] - by_example + differences.mean()
    rest = (residuals**2).sum() / ((n_seeds - 1) * (n - 1))
    expected = by_seed.var(ddof=1) / n_seeds + by_example.var(ddof=1) / n - rest / (n_seeds * n)
    assert same_examples(differences).variance() == pytest.approx(expected)


def test_the_variance_is_the_two_way_bootstraps() -> None:
    """Resampling seeds alone and examples alone adds up to it, less what both ways count."""
    differences = some_differences(20, 60)
    n_seeds, n = differences.shape
    random = np.random.default_rng(3)
    seeds = random.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), 20_000) / n_seeds
    examples = random.multinomial(n, np.full(n, 1 / n), 20_000) / n
    of_seeds = (seeds @ differences.mean(axis=1)).var()
    of_examples = (examples @ differences.mean(axis=0)).var()
    both = differences.var() / (n_seeds * n)
    assert same_examples(differences).variance() == pytest.approx(of_seeds + of_examples - both, rel=0.1)


def test_splits_that_overlap_lie_between() -> None:
    differences = some_differences()
    n_seeds, n = differences.shape
    half = [np.concatenate([np.arange(n // 2), 1000 * (s + 1) + np.arange(n // 2)]) for s in range(n_seeds)]
    found = paired_mean(list(differences), half)
    assert 0 < found.example_variance < same_examples(differences).example_variance
    assert found.overlap == pytest.approx(0.5 / n)
    assert found.share_variance == pytest.approx((1 + 5 * 0.5) / (6 * n))


def test_more_seeds_shrink_only_what_the_seeds_make() -> None:
    found = same_examples(some_differences()).at_least(0.5)
    more = found.with_seeds(24)
    assert more.seed_variance == pytest.approx(found.seed_variance / 4)
    assert more.usual == pytest.approx(0.5 / 4)
    assert more.example_variance == found.example_variance
    assert more.variance() == pytest.approx(0.5 / 4 + found.example_variance)


def test_without_examples_there_is_no_mean() -> None:
    for bad in ([], [np.array([])]):
        with pytest.raises(ValueError, match="at least one seed"):
            paired_mean(bad, bad)


# --- equivalence -----------------------------------------------------------------------------------------


def test_equivalence_is_the_larger_of_two_one_sided_t_tests() -> None:
    """statsmodels' TOST, where the variance is the data's own."""
    differences = some_differences(8, 5000)
    means = differences.mean(axis=1)
    margin = abs(means.mean()) + 2 * means.std()
    expected = DescrStatsW(means).ttost_mean(-margin, margin)[0]
    found = own_examples(differences)
    assert found.variance(margin) == found.variance()
    assert found.p_equivalence(margin) == pytest.approx(expected)


def test_rows_that_agree_everywhere_are_no_proof_on_few_examples() -> None:
    """With none of n different, a true difference of M is still seen with a chance of (1 - M)^n."""
    for n in (100, 300, 1000):
        p = same_examples(np.zeros((3, n))).p_equivalence(0.01)
        exact = 0.99**n
        assert exact / 4 < p < 1.25 * exact + 0.02


def test_a_difference_beyond_the_margin_is_no_equivalence() -> None:
    differences = np.zeros((3, 400))
    differences[:, :20] = 1
    assert same_examples(differences).p_equivalence(0.05) == pytest.approx(0.5)
    assert same_examples(differences).p_equivalence(0.01) > 0.9


# --- McNemar and times -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (9, 2), (30, 30), (5, 40)])
def test_mcnemar_is_the_binomial_test_of_wins_and_losses(wins: int, losses: int) -> None:
    differences = np.zeros((2, 60))
    differences.flat[:wins] = 1
    differences.flat[wins : wins + losses] = -1
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert p_mcnemar(list(differences)) == pytest.approx(expected)


def test_ratios_are_compared_as_logarithms() -> None:
    ours, theirs = [2.0, 3.0, 5.0], [1.0, 2.0, 2.0]
    low, high = DescrStatsW(np.log(np.divide(ours, theirs))).tconfint_mean()
    found = paired_ratio(ours, theirs)
    assert found is not None
    assert found.ratio == pytest.approx((2 * 1.5 * 2.5) ** (1 / 3))
    assert (found.low, found.high) == pytest.approx((np.exp(low), np.exp(high)))
    assert found.excludes_one == (low > 0)


def test_one_pair_leaves_every_ratio_possible() -> None:
    found = paired_ratio([3.0], [1.5])
    assert found is not None
    assert (found.ratio, found.low, found.high) == (pytest.approx(2.0), 0.0, inf)
    assert not found.excludes_one
    assert paired_ratio([], []) is None
    assert paired_ratio([1.0, 0.0], [1.0, 1.0]) is None


def test_student_needs_fewer_degrees_of_freedom_than_all_predictions() -> None:
    """Three seeds that differ leave about two degrees of freedom, whatever the number of examples."""
    differences = np.zeros((3, 1000))
    differences[1, :100] = 1
    found = same_examples(differences)
    assert 1.9 < found.dof() < 2.5
    assert found.interval().high - found.mean > 4 * sqrt(found.variance())
