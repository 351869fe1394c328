"""Variance components of seeds, where they can be told apart, and where not."""

import numpy as np
import pytest

from bench.evidence.variance import components, confounded, independent
from gptcore.recipe import Seeds

TOGETHER = [Seeds(init=i, order=i, split=i) for i in range(4)]
SERIES = [Seeds(), *(Seeds(**{kind: i}) for kind in ("init", "order", "split") for i in (1, 2))]
CROSSED = [Seeds(init=i, order=j) for i in range(4) for j in range(5)]


def simulated(seeds: list[Seeds], sd: dict[str, float], n_tables: int) -> np.ndarray:
    """Tables of values, each the sum of one effect of every kind's seed."""
    random = np.random.default_rng(0)
    values = np.zeros((n_tables, len(seeds)))
    for kind, spread in sd.items():
        effects = random.normal(0, spread, (n_tables, 1000))
        values += effects[:, [getattr(seed, kind) for seed in seeds]]
    return values


def test_what_changes_together_is_one_component_the_sample_variance() -> None:
    assert confounded(TOGETHER) == [("init", "order", "split")]
    values = [[0.9, 0.95, 0.93, 0.91], [0.8, 0.7, 0.75, 0.9]]
    found = components(TOGETHER, values)
    assert found is not None
    assert [c.kinds for c in found] == [("init", "order", "split")]
    assert found[0].variance == pytest.approx(np.var(values, axis=1, ddof=1).mean())


@pytest.mark.parametrize("seeds", [SERIES, CROSSED], ids=["one at a time", "crossed"])
def test_known_variances_are_found(seeds: list[Seeds]) -> None:
    truth = {"init": 0.03, "order": 0.01, "split": 0.02 if seeds is SERIES else 0.0}
    found = components(seeds, simulated(seeds, truth, 4000))
    assert found is not None
    for component in found:
        (kind,) = component.kinds
        assert component.variance == pytest.approx(truth[kind] ** 2, rel=0.12)


def test_a_crossed_table_gives_the_mean_squares_of_its_analysis_of_variance() -> None:
    """Without an interaction in the model, and where no estimate falls below zero."""
    values = simulated(CROSSED, {"init": 0.05, "order": 0.05}, 1)
    table = values.reshape(4, 5)
    found = components(CROSSED, values)
    assert found is not None
    of_rows, of_columns = table.mean(axis=1).var(ddof=1), table.mean(axis=0).var(ddof=1)
    assert found[0].variance == pytest.approx(of_rows, rel=1e-6)
    assert found[1].variance == pytest.approx(of_columns, rel=1e-6)


def test_nothing_varies_nothing_to_split() -> None:
    assert confounded([Seeds()]) == []
    assert components([Seeds()], [[0.9]]) is None
    assert components(TOGETHER, []) is None


def test_independent_seeds_share_nothing_that_others_do_not() -> None:
    assert independent(TOGETHER)
    assert independent([Seeds(init=i) for i in range(3)])
    assert independent([Seeds()])
    assert not independent(SERIES)
    assert not independent(CROSSED)
    assert not independent([Seeds(), Seeds(init=1), Seeds(init=1)])
