"""Whether start values and order scatter alike, where it is known."""

import numpy as np
import pytest
from scipy import stats

from bench.evidence.alike import Alike, init_and_order
from gptcore.recipe import Seeds

N = 10
SEEDS = [
    Seeds(),
    *(Seeds(init=123 + i) for i in range(1, N)),
    *(Seeds(order=123 + i) for i in range(1, N)),
    *(Seeds(split=123 + i) for i in range(1, N)),
]


def judged(random: np.random.Generator, of_init: float, of_order: float, n_rows: int = 12) -> Alike | None:
    """Rows of different scatter, whose effects of start value and order have these standard deviations."""
    tables = []
    for scale in np.exp(random.normal(0, 0.7, n_rows)) * 0.01:
        effects = {"init": random.normal(0, of_init, 99), "order": random.normal(0, of_order, 99)}
        tables.append(
            [
                0.9
                + scale * (effects["init"][s.init - 123] + effects["order"][s.order - 123])
                + scale * 5 * (s.split - 123)
                for s in SEEDS
            ]
        )
    return init_and_order(SEEDS, tables, 300)


def test_the_interval_is_students_of_the_rows_log_ratios() -> None:
    random = np.random.default_rng(0)
    tables = random.normal(0.9, 0.02, (5, len(SEEDS)))
    found = init_and_order(SEEDS, tables.tolist(), 10**6)
    assert found
    init, order = tables[:, [0, *range(1, N)]], tables[:, [0, *range(N, 2 * N - 1)]]
    logs = np.log(init.std(axis=1, ddof=1) / order.std(axis=1, ddof=1))
    low, high = stats.t.interval(0.95, 4, logs.mean(), stats.sem(logs))
    assert (found.ratio, found.low, found.high) == pytest.approx(np.exp([logs.mean(), low, high]), rel=1e-3)


def test_it_errs_in_5_percent_at_most() -> None:
    random = np.random.default_rng(1)
    n = 400
    alike = [judged(random, 1, 1) for _ in range(n)]
    twice = [judged(random, 2, 1) for _ in range(n)]
    error = 3 * np.sqrt(0.05 * 0.95 / n)
    assert np.mean([one is not None and one.finding == "contradicted" for one in alike]) <= 0.05 + error
    assert np.mean([one is not None and one.finding == "holds" for one in twice]) <= 0.025 + error
    assert np.mean([one is not None and one.finding == "holds" for one in alike]) > 0.8
    assert np.mean([one is not None and one.finding == "contradicted" for one in twice]) > 0.9


def test_without_both_series_or_rows_nothing_is_said() -> None:
    assert init_and_order(SEEDS[:N], [[0.9] * N] * 5, 300) is None
    assert init_and_order(SEEDS, [[0.9] * len(SEEDS)] * 5, 300) is None  # no row varies
    together = [Seeds(init=i, order=i) for i in range(N)]
    assert init_and_order(together, [[0.9] * N] * 5, 300) is None
