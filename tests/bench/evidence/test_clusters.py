"""Sums by group against statsmodels' cluster-robust covariance, means of groups, and truths that are known."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from bench.evidence.clusters import Clusters, independent_texts, variance_of_mean
from bench.evidence.paired import Paired, pair


def grouped_differences(sizes: np.ndarray, n_seeds: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(S, n) differences with a part of each group, seed and text; (n,) groups."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    latent = random.normal(0, 0.7, len(sizes))[groups] + random.normal(0, 0.3, (n_seeds, 1))
    latent = latent + random.normal(0, 1, (n_seeds, len(groups)))
    return np.sign(latent) * (abs(latent) > 1), groups


def paired_by(differences: list[np.ndarray], shown: list[np.ndarray], groups: list[np.ndarray]) -> Paired:
    ours, theirs = [(d > 0).astype(int) for d in differences], [(d < 0).astype(int) for d in differences]
    return pair(ours, theirs, shown, groups=groups)


def test_with_one_seed_the_interval_is_that_of_cluster_robust_regression() -> None:
    differences, groups = grouped_differences(np.full(24, 15), 1)
    shuffled = np.random.default_rng(1).permutation(len(groups))
    difference, groups = differences[0][shuffled], groups[shuffled]
    fitted = sm.OLS(difference, np.ones(len(groups))).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "df_correction": True}, use_t=True
    )
    found = paired_by([difference], [np.arange(len(groups))], [groups]).over_texts()
    assert found.variance == pytest.approx(float(fitted.bse[0] ** 2))
    assert found.dof == pytest.approx(23)
    assert found.p_zero() == pytest.approx(float(fitted.pvalues[0]))
    assert (found.interval().low, found.interval().high) == pytest.approx(tuple(fitted.conf_int()[0]))


def test_groups_of_unequal_size_count_for_more_variance_and_fewer_groups() -> None:
    sizes = np.array([2, 3, 5, 8, 13, 21, 34, 55])
    differences, groups = grouped_differences(sizes, 1)
    fitted = sm.OLS(differences[0], np.ones(len(groups))).fit(cov_type="cluster", cov_kwds={"groups": groups})
    clusters = Clusters.of([groups])
    own, _ = clusters.corrections()
    sums = clusters.deviations([differences[0]])
    assert sums @ sums == pytest.approx(float(fitted.bse[0] ** 2))
    assert own > 1.2
    found = paired_by([differences[0]], [np.arange(len(groups))], [groups])
    assert found.text_variance == pytest.approx(own * float(fitted.bse[0] ** 2))
    assert found.groups_count_as == pytest.approx(sizes.sum() ** 2 / (sizes**2).sum())
    assert found.n_groups == 8


@pytest.mark.parametrize("own_splits", [False, True])
def test_equal_groups_are_their_means(own_splits: bool) -> None:
    """Every moment over seeds and groups is that of the groups' means, each one example."""
    random = np.random.default_rng(5)
    size, pool = 12, 40
    by_text, by_group = [], []
    for _ in range(4):
        chosen = np.sort(random.choice(pool, 15, replace=False)) if own_splits else np.arange(15)
        groups = np.repeat(chosen, size)
        ours, theirs = (random.random((2, len(groups))) < 0.8).astype(float)
        by_text.append((ours, theirs, groups))
        by_group.append((ours.reshape(-1, size).mean(1), theirs.reshape(-1, size).mean(1), chosen))
    ours, theirs, groups = zip(*by_text, strict=True)
    found = pair(ours, theirs, [np.arange(len(each)) for each in groups], groups=groups)
    expected = pair(*zip(*by_group, strict=True))
    for name in ("between", "within"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name))
    assert found.text_variance == pytest.approx(expected.text_variance)
    if not own_splits:  # else covariances are corrected, see below
        assert found.example_variance == pytest.approx(expected.example_variance)
        assert found.example_dof == pytest.approx(expected.example_dof)


def test_groups_of_one_text_are_texts() -> None:
    differences, _ = grouped_differences(np.full(60, 1), 3)
    shown = [np.random.default_rng(s).permutation(60) for s in range(3)]
    found = paired_by(list(differences), shown, shown)
    expected = pair(
        [(d > 0).astype(int) for d in differences], [(d < 0).astype(int) for d in differences], shown
    )
    assert found.text_variance == pytest.approx(expected.text_variance)
    assert found.example_variance == pytest.approx(expected.example_variance)
    assert found.within == pytest.approx(expected.within)
    assert found.over_texts().dof == pytest.approx(expected.over_texts().dof)


@pytest.mark.parametrize("unequal", [False, True])
def test_variances_are_right_on_average_where_groups_have_values_of_their_own(unequal: bool) -> None:
    """A quadratic form of independent values is, on average, the sum of what each of them alone gives."""
    random = np.random.default_rng(2)
    sizes = random.integers(1, 30, 12) if unequal else np.full(12, 10)
    group_of = np.repeat(np.arange(12), sizes)
    groups = [group_of[np.isin(group_of, random.choice(12, 5, replace=False))] for _ in range(4)]
    clusters = Clusters.of(groups)
    own, shared = clusters.corrections()
    apart = together = 0.0
    for group in range(12):
        deviations = clusters.deviations([(each == group).astype(float) for each in groups])
        apart += own * deviations @ deviations
        sums = np.bincount(clusters.group_of, deviations)
        together += shared * (sums @ sums - deviations @ deviations)
    shares = np.array([np.bincount(each, minlength=12) / len(each) for each in groups])
    common = shares @ shares.T
    assert apart == pytest.approx(np.trace(common))
    assert together == pytest.approx(common.sum() - np.trace(common))


def test_a_single_group_says_nothing_of_others() -> None:
    clusters = Clusters.of([np.zeros(10, dtype=int), np.repeat([0, 1], 5)])
    assert clusters.n_groups == 1
    assert np.isfinite(clusters.corrections()).all()
    assert Clusters.of([np.repeat(np.arange(6), 3)]).n_groups == 6


def test_errors_that_gather_in_groups_count_as_fewer_texts() -> None:
    groups = np.repeat(np.arange(20), 10)
    spread, gathered = np.ones(200), np.ones(200)
    spread[::10] = 0
    gathered[:20] = 0
    assert independent_texts(spread, groups) == 200
    assert independent_texts(gathered, groups) == pytest.approx(20, rel=0.1)
    assert independent_texts(np.ones(200), groups) == pytest.approx(20)  # nothing is known of errors
    with_one = variance_of_mean(gathered, None)
    assert with_one == pytest.approx(stats.sem(gathered) ** 2)


def test_few_groups_are_no_more_independent_texts_than_groups() -> None:
    one_wrong = np.ones(200)
    one_wrong[0] = 0
    assert independent_texts(one_wrong, np.zeros(200, dtype=int)) == 1
    alike = np.ones(200)
    alike[::50] = 0
    assert independent_texts(alike, np.repeat([0, 1], 100)) == pytest.approx(2)
    assert independent_texts(np.ones(1), np.zeros(1, dtype=int)) == 1
