"""How long the verdicts of a study take on a large test part: `make benchmarks`."""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.evidence.comparison import Comparison, compare_answers
from bench.evidence.decide import Decision, decide

N_TEXTS, N_ROWS = 100_000, 6


@pytest.mark.parametrize("n_seeds", [1, 5])
def test_verdicts_on_a_large_test_part(benchmark: BenchmarkFixture, n_seeds: int) -> None:
    """Six rows against a baseline, five points worse: from right answers to words."""
    random = np.random.default_rng(0)
    baseline = random.random((n_seeds, N_TEXTS)) < 0.9
    rows = random.random((N_ROWS, n_seeds, N_TEXTS)) < 0.85
    shown = [np.arange(N_TEXTS)] * n_seeds

    def judge() -> dict[int, Decision]:
        compared: dict[int, Comparison] = {
            i: compare_answers(list(row), list(baseline), shown) for i, row in enumerate(rows)
        }
        return decide(compared, 0.02)

    found = benchmark(judge)
    assert {one.call for one in found.values()} == {"worse" if n_seeds > 1 else "model worse"}
