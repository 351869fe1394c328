"""Probabilities, what is not ruled out, and what would decide."""

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from bench.evidence.comparison import compare_answers
from bench.evidence.decide import Decision, decide
from bench.evidence.holm import ALPHA
from bench.evidence.outlook import outlook

N = 300


def decision(
    difference: float, n_seeds: int = 5, margin: float = 0.02, n: int = N, shared: bool = False, seed: int = 0
) -> Decision:
    """A row that is right so much more often than one that is right in 90% of texts."""
    random = np.random.default_rng(seed)
    texts = 1 if shared else n_seeds
    lines = (random.random((2, texts, n)) < np.array([0.9 + difference, 0.9])[:, None, None]).astype(int)
    ours, theirs = np.broadcast_to(lines, (2, n_seeds, n))
    shown = [np.arange(n) + (0 if shared else s * n) for s in range(n_seeds)]
    return decide({"row": compare_answers(list(ours), list(theirs), shown)}, margin)["row"]


def test_the_probabilities_are_those_of_the_t_distribution() -> None:
    found = decision(0.02)
    scale, of = np.sqrt(found.estimate.variance), found.estimate
    seen = outlook(found, 0.02)
    assert seen is not None
    posterior = stats.t(of.dof, of.value, scale)
    assert seen.better == pytest.approx(posterior.sf(0.02))
    assert seen.worse == pytest.approx(posterior.cdf(-0.02))
    assert seen.better + seen.within + seen.worse == pytest.approx(1)


def test_the_largest_loss_and_gain_share_the_level_with_the_other_open_rows() -> None:
    random = np.random.default_rng(1)
    base = (random.random((5, N)) < 0.9).astype(int)
    shown = [s * N + np.arange(N) for s in range(5)]
    rows = {i: (random.random((5, N)) < 0.9).astype(int) for i in range(4)}
    found = decide({i: compare_answers(list(r), list(base), shown) for i, r in rows.items()}, 0.01)
    assert {one.call for one in found.values()} == {"undecided"}
    for one in found.values():
        seen = outlook(one, 0.01)
        assert seen is not None
        wide = one.estimate.interval(1 - ALPHA / 4)
        assert (seen.loss, seen.gain) == pytest.approx((-wide.low, wide.high))


@pytest.mark.parametrize(
    ("difference", "margin", "expected"),
    [(0.0, 0.03, "a few seeds"), (0.0, 0.015, "dozens of seeds")],
)
def test_a_narrower_margin_needs_more_seeds(difference: float, margin: float, expected: str) -> None:
    found = [outlook(decision(difference, margin=margin, seed=seed), margin) for seed in range(7)]
    needs = [one.needs for one in found if one and one.needs]
    assert len(needs) >= 5
    assert max(set(needs), key=needs.count) == expected


def test_more_seeds_on_the_same_texts_do_not_help() -> None:
    found = outlook(decision(0.01, shared=True, n=100), 0.02)
    assert found is not None
    assert (found.needs, found.seeds, found.minutes) == ("test texts", None, None)


def test_what_is_decided_needs_nothing() -> None:
    found = outlook(decision(-0.4), 0.02)
    assert found is not None
    assert (found.needs, found.seeds) == (None, None)
    assert found.worse > 0.999


def test_minutes_are_those_of_the_missing_runs() -> None:
    one = decision(0.01)
    found = outlook(replace(one, comparison=replace(one.comparison, seconds=30.0)), 0.02)
    assert found is not None
    assert found.seeds is not None
    assert found.minutes == pytest.approx((found.seeds - 5) * 0.5)


def test_what_few_seeds_seem_to_say_is_not_taken_for_the_truth(simulation: ModuleType) -> None:
    """Fault E8: for a true difference of a point, one in ten answers was 20 seeds or fewer, one in ten "never"."""
    random = np.random.default_rng(8)
    answers = []
    truth = simulation.Truth(seed=0.05, liking=0.2, noise=0.2, shift=0.08)
    for _ in range(12):
        found = decide(simulation.compare(*simulation.simulate(random, truth, 6, 5, N, True)), 0.02)
        answers += [
            seen.seeds or 1000 for one in found.values() if (seen := outlook(one, 0.02)) and seen.needs
        ]
    low, high = np.quantile(answers, [0.1, 0.9])
    assert high / low < 8
    assert high < 1000
