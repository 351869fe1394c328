"""How often verdicts and intervals err where the truth is known: the table of docs/error-rates.md."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.evidence.decide import Decision, decide
from bench.evidence.holm import holm
from bench.evidence.overdispersion import Moderated, point_estimate

N = 300
MARGIN = 0.02


def studies(
    simulation: Any, truth: Any, n_seeds: int, own_splits: bool, n_studies: int, margin: float = MARGIN
) -> Iterator[dict[int, Decision]]:
    """Decisions on 18 rows against one baseline."""
    random = np.random.default_rng([0, n_seeds, own_splits])
    for _ in range(n_studies):
        made = simulation.simulate(random, truth, simulation.N_ROWS, n_seeds, N, own_splits)
        yield decide(simulation.compare(*made), margin)


def errors_and_coverage(simulation: Any, truth: Any, found: list[dict[int, Decision]]) -> tuple[float, ...]:
    """Of null studies: the share with a false better or worse, that of 95% intervals that hold zero, and of those
    of the rows whose seeds scatter most."""
    wrong = [any(one.call in ("better", "worse") for one in study.values()) for study in found]
    intervals = [[one.estimate.interval() for one in study.values()] for study in found]
    held = np.array([[one.low <= 0 <= one.high for one in study] for study in intervals])
    seeds = np.broadcast_to(np.asarray(truth.seed, dtype=float), (simulation.N_ROWS + 1,))[1:]
    return float(np.mean(wrong)), float(held.mean()), float(held[:, seeds == seeds.max()].mean())


def monte_carlo(share: float, n: int) -> float:
    """Three standard errors of a share seen n times."""
    return 3 * float(np.sqrt(share * (1 - share) / n))


@pytest.mark.parametrize(("what", "own_splits"), [("both", False), ("the seeds of four rows", True)])
def test_a_family_of_18_nulls_errs_in_5_percent_of_studies_at_most(
    simulation: Any, what: str, own_splits: bool
) -> None:
    truth = simulation.TRUTHS[what]
    wrong, covered, _ = errors_and_coverage(
        simulation, truth, list(studies(simulation, truth, 3, own_splits, 80))
    )
    assert wrong <= 0.05 + monte_carlo(0.05, 80)
    # 18 rows share a baseline, so their intervals count as about three independent ones.
    assert 0.93 - monte_carlo(0.05, 240) <= covered <= 0.99 + monte_carlo(0.01, 240)


def test_mcnemar_on_pooled_seeds_would_err_far_more_often(simulation: Any) -> None:
    """Why recipes are not judged by it: it knows nothing of seeds."""
    random = np.random.default_rng(0)
    wrong = 0
    for _ in range(40):
        made = simulation.simulate(random, simulation.TRUTHS["both"], simulation.N_ROWS, 3, N, False)
        compared = simulation.compare(*made)
        wrong += min(holm({row: one.p_models for row, one in compared.items()}).values()) <= 0.05
    assert wrong > 10


def test_one_seed_errs_seldom_of_its_models(simulation: Any) -> None:
    """Models that are equal on texts like these: rows that differ in nothing but the noise of each text."""
    truth = simulation.Truth(seed=0.0, liking=0.5, noise=0.3)
    found = list(studies(simulation, truth, 1, False, 150))
    wrong = [any(one.call.startswith("model") for one in study.values()) for study in found]
    assert np.mean(wrong) <= 0.05 + monte_carlo(0.05, 150)
    worse = simulation.Truth(seed=0.0, liking=0.5, noise=0.3, shift=-1.0)
    calls = [one.call for study in studies(simulation, worse, 1, False, 3) for one in study.values()]
    assert calls.count("model worse") > 0.9 * len(calls)


def test_differences_of_the_margin_are_rarely_called_none(simulation: Any) -> None:
    """Rows that truly differ by the margin, 6 points here, on enough examples that equivalence can be shown."""
    truth = simulation.Truth(seed=0.05, liking=0.2, noise=0.2, shift=-0.28)
    margin = -float(simulation.true_differences(truth, 1)[0])
    assert 0.04 < margin < 0.07
    found = studies(simulation, truth, 5, True, 60, margin)
    wrong = [any(one.call == "no difference" for one in study.values()) for study in found]
    assert np.mean(wrong) <= 0.05 + monte_carlo(0.05, 60)
    null = simulation.Truth(seed=0.05, liking=0.2, noise=0.2)
    calls = [one.call for study in studies(simulation, null, 5, True, 5, margin) for one in study.values()]
    assert calls.count("no difference") > 0.5 * len(calls)


def test_folds_make_the_variance_smaller(simulation: Any) -> None:
    """Of a mean difference over five seeds, against splits at random, where texts are all that is uncertain."""
    variances = []
    for folds in (True, False):
        random = np.random.default_rng(6)
        n_test = simulation.POOL // 5
        made = [
            simulation.simulate(random, simulation.TRUTHS["the texts"], 12, 5, n_test, True, folds)[0]
            for _ in range(200)
        ]
        means = np.array([right.mean(axis=(1, 2)) for right in made])
        variances.append(((means[:, 1:] - means[:, :1]) ** 2).mean())
    assert 0.5 < variances[0] / variances[1] < 0.75


def test_fault_e3_rows_that_fail_in_rare_seeds_are_seldom_called(simulation: Any) -> None:
    """Fault E3: their typical seed is better than the baseline's, their mean is not. The rule before erred in 31%."""
    truth = simulation.TRUTHS["a third of the rows fails at random"]
    found = list(studies(simulation, truth, 5, True, 60))
    wrong, _, _ = errors_and_coverage(simulation, truth, found)
    assert wrong <= 0.12 + monte_carlo(0.12, 60)  # 0.12: the most that docs/error-rates.md states


def test_fault_e7_restless_rows_have_intervals_of_their_own(simulation: Any) -> None:
    """Fault E7: an average over rows hides how often the intervals of restless ones miss."""
    truth = simulation.TRUTHS["the seeds of four rows"]
    found = list(studies(simulation, truth, 5, True, 100))
    covered, restless = errors_and_coverage(simulation, truth, found)[1:]
    least = 0.905 - monte_carlo(0.1, 400)
    assert restless >= least
    alike = [_as_if_alike(study) for study in found]
    averaged, missed = errors_and_coverage(simulation, truth, alike)[1:]
    assert averaged >= covered - 0.06  # hardly to be seen in the average
    assert missed < least


def _as_if_alike(study: dict[int, Decision]) -> dict[int, Decision]:
    """The same with intervals that count with one overdispersion for all rows."""
    moderated = [one.moderated for one in study.values() if one.moderated]
    usual = Moderated(
        float(np.mean([one.overdispersion for one in moderated])),
        float(np.mean([one.dof for one in moderated])),
    )
    return {
        row: replace(one, estimate=point_estimate(one.comparison.paired, usual)) for row, one in study.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("own_splits", [False, True], ids=["one split", "own splits"])
@pytest.mark.parametrize("n_seeds", [3, 5, 10])
@pytest.mark.parametrize(
    "what",
    [
        *("the texts", "both", "the seeds", "single predictions", "the seeds of one row"),
        *("the seeds of four rows", "the seeds of nine rows"),
        *("a third of the rows fails at random", "half of the rows fails at random"),
    ],
)
def test_verdicts_and_intervals_keep_their_level(
    simulation: Any, what: str, n_seeds: int, own_splits: bool
) -> None:
    truth = simulation.TRUTHS[what]
    found = list(studies(simulation, truth, n_seeds, own_splits, 1000))
    wrong, covered, restless = errors_and_coverage(simulation, truth, found)
    level, least = (0.12, 0.85) if "fails" in what else (0.055, 0.905)  # what docs/error-rates.md states
    assert wrong <= level + monte_carlo(level, 1000)
    assert 0.925 - monte_carlo(0.05, 3000) <= covered
    assert restless >= least - monte_carlo(0.1, 3000)
