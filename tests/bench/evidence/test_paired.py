"""Paired means and ratios against cases with a known answer, resampling, and independent implementations."""

from math import inf, sqrt

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.weightstats import DescrStatsW

from bench.evidence.comparison import compare_answers
from bench.evidence.paired import Paired, pair, paired_ratio


def paired_by(differences: np.ndarray, examples: list[np.ndarray]) -> Paired:
    """Two rows whose right answers differ so, and who both fail elsewhere."""
    return pair(list((differences > 0).astype(int)), list((differences < 0).astype(int)), examples)


def same_examples(differences: np.ndarray) -> Paired:
    return paired_by(differences, [np.arange(differences.shape[1])] * len(differences))


def own_examples(differences: np.ndarray) -> Paired:
    n_seeds, n = differences.shape
    return paired_by(differences, [s * n + np.arange(n) for s in range(n_seeds)])


def some_differences(n_seeds: int = 6, n: int = 80, seed: int = 0) -> np.ndarray:
    """Differences with a part of each seed, of each example and of neither."""
    random = np.random.default_rng(seed)
    latent = random.normal(0, 0.4, (n_seeds, 1)) + random.normal(0, 1, n) + random.normal(0, 1, (n_seeds, n))
    return np.sign(latent) * (abs(latent) > 1)


# --- the mean and its variance ---------------------------------------------------------------------------


def test_rows_that_agree_everywhere_may_still_differ_a_little() -> None:
    found = same_examples(np.zeros((3, 50)))
    assert found.mean == 0
    assert found.over_texts().interval().high == pytest.approx(stats.t.ppf(0.975, 49) / 50)


def test_with_one_seed_the_interval_is_students_over_the_examples() -> None:
    difference = some_differences(1, 400)
    reference = DescrStatsW(difference[0])
    found = same_examples(difference).over_texts()
    assert (found.interval().low, found.interval().high) == pytest.approx(reference.tconfint_mean())
    assert found.p_zero() == pytest.approx(reference.ttest_mean()[1])


def test_over_texts_each_example_is_a_cluster() -> None:
    """Two seeds on the same texts: the mean of each text is one value."""
    differences = some_differences(2, 400)
    centred = differences - differences.mean(axis=1, keepdims=True)
    expected = (centred.mean(axis=0) ** 2).sum() / (400 * 399)
    assert same_examples(differences).over_texts().variance == pytest.approx(expected)


def test_with_disjoint_examples_the_test_is_students_over_the_seeds() -> None:
    """Nothing is shared, so the seeds' means are all there is, and a t test of them is the answer."""
    differences = some_differences()
    reference = stats.ttest_1samp(differences.mean(axis=1), 0)
    found = own_examples(differences).over_seeds()
    assert found.p_zero() == pytest.approx(reference.pvalue)
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
    assert same_examples(differences).over_seeds().variance == pytest.approx(expected)


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
    assert same_examples(differences).over_seeds().variance == pytest.approx(
        of_seeds + of_examples - both, rel=0.1
    )


def test_splits_that_overlap_lie_between() -> None:
    differences = some_differences()
    n_seeds, n = differences.shape
    half = [np.concatenate([np.arange(n // 2), 1000 * (s + 1) + np.arange(n // 2)]) for s in range(n_seeds)]
    found = paired_by(differences, half)
    assert 0 < found.example_variance < same_examples(differences).example_variance
    assert found.overlap == pytest.approx(0.5 / n)
    assert found.share_variance == pytest.approx((1 + 5 * 0.5) / (6 * n))


def test_moments_are_numpys() -> None:
    random = np.random.default_rng(7)
    ours, theirs = (random.random((2, 5, 60)) < 0.8).astype(int)
    found = pair(list(ours), list(theirs), [np.arange(60)] * 5)
    between = np.cov(ours.mean(axis=1), theirs.mean(axis=1))
    within = np.mean([np.cov(a, b) / 60 for a, b in zip(ours, theirs, strict=True)], axis=0)
    for moments, expected in ((found.between, between), (found.within, within)):
        assert moments == pytest.approx((expected[0, 0], expected[0, 1], expected[1, 1]))
    assert found.within.of(2, 3) == pytest.approx(
        np.mean([(2 * a - 3 * b).var(ddof=1) / 60 for a, b in zip(ours, theirs, strict=True)])
    )
    assert found.reversed == pair(list(theirs), list(ours), [np.arange(60)] * 5)


def test_without_examples_there_is_no_mean() -> None:
    for bad in ([], [np.array([])]):
        with pytest.raises(ValueError, match="at least one seed"):
            pair(bad, bad, bad)


# --- McNemar and times -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (9, 2), (30, 30), (5, 40)])
def test_with_one_seed_the_test_of_models_is_mcnemars(wins: int, losses: int) -> None:
    difference = np.zeros(80)
    difference[:wins] = 1
    difference[wins : wins + losses] = -1
    found = compare_answers([difference > 0], [difference < 0], [np.arange(80)])
    expected = mcnemar([[0, wins], [losses, 0]], exact=True).pvalue if wins + losses else 1.0
    assert found.p_models == pytest.approx(min(1.0, expected))


def test_a_text_that_two_seeds_saw_counts_once() -> None:
    ours, theirs = np.array([1, 1, 1, 0]), np.array([0, 0, 1, 1])
    shown = [np.arange(4), np.arange(4)]
    found = compare_answers([ours, ours], [theirs, 1 - theirs], shown)
    assert found.side_of_models == 3 - 1  # five predictions differ, on four texts


def test_ratios_are_compared_as_logarithms() -> None:
    ours, theirs = [2.0, 3.0, 5.0], [1.0, 2.0, 2.0]
    low, high = DescrStatsW(np.log(np.divide(ours, theirs))).tconfint_mean()
    found = paired_ratio(ours, theirs)
    assert found is not None
    assert found.ratio == pytest.approx((2 * 1.5 * 2.5) ** (1 / 3))
    assert (found.low, found.high) == pytest.approx((np.exp(low), np.exp(high)))
    assert found.p == pytest.approx(DescrStatsW(np.log(np.divide(ours, theirs))).ttest_mean()[1])


def test_one_pair_leaves_every_ratio_possible() -> None:
    found = paired_ratio([3.0], [1.5])
    assert found is not None
    assert (found.ratio, found.low, found.high) == (pytest.approx(2.0), 0.0, inf)
    assert paired_ratio([], []) is None
    assert paired_ratio([1.0, 0.0], [1.0, 1.0]) is None


def test_student_needs_fewer_degrees_of_freedom_than_all_predictions() -> None:
    """Three seeds that differ leave about two degrees of freedom, whatever the number of examples."""
    differences = np.zeros((3, 1000))
    differences[1, :100] = 1
    found = same_examples(differences).over_seeds()
    assert 1.9 < found.dof < 2.5
    assert found.half_width() > 4 * sqrt(found.variance)
