"""Holm's correction against statsmodels and against its definition as a closed test."""

from itertools import combinations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from bench.evidence.holm import holm


def test_without_weights_it_is_statsmodels() -> None:
    p = dict(enumerate(np.random.default_rng(0).random(12) ** 3))
    assert list(holm(p).values()) == pytest.approx(multipletests(list(p.values()), method="holm")[1])
    assert holm({}) == {}


@pytest.mark.parametrize("seed", range(5))
def test_with_weights_it_is_the_closed_weighted_bonferroni_test(seed: int) -> None:
    """A hypothesis is rejected where every intersection that holds it is, each by weighted Bonferroni."""
    random = np.random.default_rng(seed)
    p = {name: float(value) for name, value in zip("abcde", random.random(5) ** 4, strict=True)}
    weights = {name: float(value) for name, value in zip("abcde", random.integers(1, 9, 5), strict=True)}

    def bonferroni(names: tuple[str, ...]) -> float:
        total = sum(weights[name] for name in names)
        return min(1.0, min(p[name] * total / weights[name] for name in names))

    found = holm(p, weights)
    for name in p:
        groups = [g for size in range(1, 6) for g in combinations(p, size) if name in g]
        assert found[name] == pytest.approx(max(map(bonferroni, groups)))


def test_a_heavier_test_has_the_larger_share() -> None:
    p = {"heavy": 0.02, "a": 0.9, "b": 0.9, "c": 0.9}
    assert holm(p)["heavy"] == pytest.approx(0.08)
    assert holm(p, {"heavy": 9.0})["heavy"] == pytest.approx(0.02 * 12 / 9)
