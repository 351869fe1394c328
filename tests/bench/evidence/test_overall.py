"""Differences over several data sets, against independent code and where the truth is known."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.evidence.decide import decide
from bench.evidence.holm import ALPHA, holm
from bench.evidence.overall import judge_overall, pool
from bench.evidence.results import Results
from bench.evidence.scheme import with_looks
from bench.evidence.student import Estimate


def estimates(values: list[float], variances: list[float]) -> list[Estimate]:
    return [Estimate(a, v, 4.0) for a, v in zip(values, variances, strict=True)]


def test_equal_variances_and_a_large_spread_are_a_t_test() -> None:
    values = [0.05, -0.02, 0.09, 0.03, 0.11]
    found = pool(estimates(values, [1e-6] * 5))
    expected = stats.ttest_1samp(values, 0)
    assert found.estimate.value == pytest.approx(np.mean(values))
    assert found.estimate.p_zero() == pytest.approx(expected.pvalue, rel=1e-3)
    assert found.spread == pytest.approx(np.std(values, ddof=1), rel=1e-3)
    assert found.p_equal < 1e-6


def test_the_spread_is_that_of_statsmodels() -> None:
    """Paule and Mandel's iterated estimate, of the variances as they are weighted here."""
    meta = pytest.importorskip("statsmodels.stats.meta_analysis")
    values, variances = np.array([0.04, 0.01, -0.03, 0.06]), np.array([2e-4, 5e-4, 3e-4, 9e-4])
    weighted = (variances + variances.mean()) / 2
    expected = meta.combine_effects(values, weighted, method_re="iterated", use_t=True)
    found = pool(estimates(list(values), list(variances)))
    assert found.spread**2 == pytest.approx(expected.tau2, rel=1e-3)
    assert found.estimate.value == pytest.approx(expected.mean_effect_re, rel=1e-4)
    assert found.p_equal == pytest.approx(float(stats.chi2.sf(expected.q, 3)), rel=1e-6)


def test_data_sets_that_agree_have_no_spread_and_their_variance_is_not_taken_for_smaller() -> None:
    found = pool(estimates([0.02, 0.02, 0.02, 0.02], [1e-4] * 4))
    assert found.spread == 0
    assert found.estimate.variance == pytest.approx(1e-4 / 4)
    assert found.p_equal == pytest.approx(1)


def study(rows: ModuleType, data: str, wrong: dict[str, list[range]], looks: tuple[int, ...]) -> Results:
    """A study of rows against the first one, judged at looks; wrong: row -> of each seed the texts that it misses."""
    dataset = rows.DATASET.model_copy(update={"name": data, "source_fingerprint": data * 8})
    first, *others = (rows.make_row(name, texts, dataset=dataset) for name, texts in wrong.items())
    others = [replace(one, row=one.row.model_copy(update={"against": first.name})) for one in others]
    results: Results = rows.make_results(first, *others, dataset=dataset)
    planned = results.study.model_copy(update={"scheme": with_looks([], looks)})
    return replace(results, study=planned, table=None, margin=0.02)


def test_the_word_is_that_of_the_look_that_decides(rows: ModuleType) -> None:
    """The mean of all seeds may lie on the other side, where later seeds scatter too much to show anything."""
    studies = {}
    for i, data in enumerate("abcd"):
        base = [range(20 + s) for s in range(5)] + [range(90)] * 5
        row = [range(60 + (i + s) % 5) for s in range(5)] + [range(40 * ((i + s) % 2)) for s in range(5)]
        studies[data] = study(rows, data, {"base": base, "row": row}, (5, 10))
    (found,) = judge_overall(studies, 0.02)
    assert found.pooled is not None
    assert found.pooled.estimate.value > 0
    assert (found.call, found.decided_at) == ("worse", 5)


def test_an_overall_word_stays_when_the_other_rows_arrive(rows: ModuleType) -> None:
    """A row that has not run yet has its share of the level from the start."""
    wrong = {"base": [range(30 + s) for s in range(3)], "row": [range(40 + 3 * s) for s in range(3)]}
    others = {f"row {n}": [range(5 * n, 5 * n + 30 + (s + n) % 3) for s in range(3)] for n in range(8)}
    early: dict[str, Results] = {}
    for data in "abcd":
        whole = study(rows, data, wrong | others, (3,))
        early[data] = replace(
            whole, rows=tuple(one if one.name in wrong else replace(one, runs=()) for one in whole.rows)
        )
    (found,) = judge_overall(early, 0.02)
    alone = pool([one.looks[0].estimate for one in found.by_data.values()]).estimate.p_zero() / 0.75
    assert found.p_holm == pytest.approx(min(1.0, 9 * alone))


def false_words(simulation: Any, n_data: int, n_seeds: int, spread: float, n: int) -> float:
    """Share of sets of studies, 18 rows without a mean difference, with a false overall word.

    spread: standard deviation of a row's difference between data sets, on the latent scale.
    """
    random = np.random.default_rng([n_data, n_seeds, round(10 * spread)])
    wrong = 0
    for _ in range(n):
        found = []
        for accuracy in random.uniform(0.75, 0.95, n_data):
            shift = random.normal(0, spread, simulation.N_ROWS) if spread else 0.0
            truth = simulation.Truth(0.15, 0.3, 0.3, accuracy=float(accuracy), shift=shift)
            right, shown = simulation.simulate(random, truth, simulation.N_ROWS, n_seeds, 300, True)
            found.append(decide(simulation.compare(right, shown), 0.02))
        p = {row: pool([one[row].estimate for one in found]).estimate.p_zero() for row in found[0]}
        wrong += min(holm(p).values()) <= ALPHA
    return wrong / n


def test_overall_words_keep_their_level(simulation: ModuleType) -> None:
    assert false_words(simulation, 4, 3, 0.2, 40) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 40)


@pytest.mark.slow
@pytest.mark.parametrize("n_data", [4, 6])
@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3])
def test_overall_words_keep_their_level_everywhere(
    simulation: ModuleType, n_data: int, spread: float
) -> None:
    for n_seeds in (3, 5):
        wrong = false_words(simulation, n_data, n_seeds, spread, 300)
        assert wrong <= 0.055 + 3 * np.sqrt(0.055 * 0.945 / 300)
