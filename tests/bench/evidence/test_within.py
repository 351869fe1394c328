"""A loss of more than the margin is seldom ruled out where there is one, and often where there is none."""

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from bench.evidence.comparison import compare_answers, compare_rows
from bench.evidence.looks import Look
from bench.evidence.metric import METRICS
from bench.evidence.scheme import with_looks
from bench.evidence.within import Within, rule_out, within_margin
from tests.bench.evidence import simulate

MARGIN = 0.02
N_TEST, N_SEEDS = 300, 10
SCHEME = with_looks([], (3, 5, 10))


def judged(right: np.ndarray, examples: list[np.ndarray]) -> dict[str, Within]:
    """What would be said at the last look. right: (rows, seeds, n)."""
    names = [f"row {i}" for i in range(len(right))]

    def looks(mine: int) -> list[Look[str]]:
        return [
            Look(
                planned.seeds,
                planned.share,
                {
                    names[other]: compare_answers(
                        list(right[mine, : planned.seeds]),
                        list(right[other, : planned.seeds]),
                        examples[: planned.seeds],
                    )
                    for other in range(len(right))
                    if other != mine
                },
            )
            for planned in SCHEME
        ]

    return rule_out({name: looks(i) for i, name in enumerate(names)}, MARGIN)


@pytest.mark.parametrize(
    ("shift", "luck", "n"),
    [
        # Accuracies of 90%, and of rows that are better by a little more than the margin.
        ((0.0, 0.0, 0.18), 0.1, 60),
        ((0.18, 0.18, 0.18), 0.1, 60),
        ((-0.3, 0.18, 0.18), 0.3, 60),
    ],
)
def test_rows_that_lose_more_are_rarely_called_within(shift, luck: float, n: int) -> None:
    random = np.random.default_rng(5)
    truth = simulate.Truth(luck, 0.15, 0.2, shift=shift)
    accuracies = np.array([0.0, *simulate.true_differences(truth, len(shift))])
    bad = [f"row {i}" for i, one in enumerate(accuracies) if accuracies.max() - one > MARGIN]
    assert bad
    wrong = 0
    for _ in range(n):
        right, examples = simulate.simulate(random, truth, len(shift), N_SEEDS, N_TEST, True)
        said = judged(right, examples)
        wrong += any(said[name].is_shown for name in bad)
    assert wrong <= 0.05 * n + 3 * (0.05 * 0.95 * n) ** 0.5


def test_equal_rows_are_often_shown_to_be_within() -> None:
    random = np.random.default_rng(6)
    truth = simulate.Truth(0.05, 0.1, 0.15, accuracy=0.95)
    found = 0
    for _ in range(20):
        right, examples = simulate.simulate(random, truth, 2, N_SEEDS, N_TEST, True)
        found += any(one.is_shown for one in judged(right, examples).values())
    assert found >= 10


def test_nothing_is_ruled_out_for_one_row_or_one_seed() -> None:
    assert not rule_out({"alone": []}, MARGIN)["alone"].is_shown
    right = [np.ones(50, dtype=int)]
    pair = compare_answers(right, [np.zeros(50, dtype=int)], [np.arange(50)])
    said = rule_out({"a": [Look(0, 1.0, {"b": pair})], "b": [Look(0, 1.0, {"a": pair.reversed})]}, MARGIN)
    assert not said["a"].is_shown
    assert said["a"].blocked_by == ("b",)


def test_without_planned_looks_rows_are_judged_by_the_metric_of_the_study(rows: ModuleType) -> None:
    made = [
        rows.make_row(name, [[*range(k), *range(200, 200 + 7 * k)]] * 5) for k, name in ((1, "a"), (2, "b"))
    ]
    results = replace(rows.make_results(*made), metric=METRICS["macro-f1"])
    found = within_margin(results)
    pair = compare_rows(*made, None, METRICS["macro-f1"])
    assert pair is not None
    wanted = rule_out({"a": [Look(0, 1.0, {"b": pair})], "b": [Look(0, 1.0, {"a": pair.reversed})]}, 0.01)
    assert found == wanted != within_margin(results.by_accuracy)
