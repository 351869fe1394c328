"""Rows whose seeds are wide or skewed."""

from dataclasses import replace
from types import ModuleType
from typing import Any, cast

import numpy as np
import pytest

from bench.evidence.results import Results
from bench.evidence.unsteady import are_many, is_uneven, of_counts, unsteady, unsteady_rows


def wrong(*counts: int) -> list[range]:
    return [range(count) for count in counts]


@pytest.mark.parametrize(
    ("counts", "lowest"),
    [
        ((15, 14, 16, 13, 15), None),
        ((15, 14, 16, 13, 60), 0.8),  # one seed fails
        ((94, 49, 92, 113, 56), 187 / 300),  # wide: last-layer of the embedded study
        ((21, 14, 19, 16, 15), None),  # nano: its first five seeds show nothing of those that fail later
        ((15,), None),
    ],
)
def test_which_rows_are_marked(rows: ModuleType, counts: tuple[int, ...], lowest: float | None) -> None:
    found = unsteady(rows.make_row("row", wrong(*counts)), 0.02)
    assert (found and found.lowest) == (lowest and pytest.approx(lowest))


def test_seeds_with_other_numbers_of_test_texts_are_compared_by_shares() -> None:
    sizes = [1000, 1100, 900, 1050, 950]
    assert of_counts([900, 990, 810, 945, 855], sizes, 0.02) is None  # 90% each
    found = of_counts([900, 770, 810, 945, 855], sizes, 0.02)
    assert found is not None
    assert (found.lowest, found.median) == (0.7, 0.9)


def test_texts_alone_seldom_mark_a_row(rows: ModuleType) -> None:
    random = np.random.default_rng(0)
    marked = [unsteady(rows.make_row("row", wrong(*random.binomial(300, 0.06, 5))), 0.01) for _ in range(150)]
    assert sum(found is not None for found in marked) <= 2


def test_a_study_in_which_some_rows_fail_among_steady_ones(rows: ModuleType) -> None:
    """Of the compared rows, each recipe once: the baseline and copies of a recipe are not counted."""
    base = rows.make_row("base", wrong(9, 10, 11))
    steady = [rows.make_row(f"steady {i}", wrong(9, 10, 12 - i % 2)) for i in range(9)]
    broken = [rows.make_row(name, wrong(9, 10, 100)) for name in ("d", "e")]

    def study(*compared: Any) -> Results:
        return cast("Results", rows.make_results(base, *(against(row, "base") for row in compared)))

    few, many = study(*steady, broken[0]), study(*steady, *broken)
    assert list(unsteady_rows(many)) == ["d", "e"]
    assert not are_many(few, unsteady_rows(few))
    assert are_many(many, unsteady_rows(many))
    copy = replace(broken[0], row=broken[0].row.model_copy(update={"name": "copy"}))
    copied = study(*steady, broken[0], copy)
    assert not are_many(copied, unsteady_rows(copied))
    assert not unsteady_rows(replace(many, margin=0.4))


def against(result: Any, name: str) -> Any:
    return replace(result, row=result.row.model_copy(update={"against": name}))


def test_rows_that_all_scatter_alike_are_not_uneven() -> None:
    wide = [[0.9, 0.8, 0.7, 0.85, 0.95]] * 6
    assert not is_uneven(wide, [True] * 6)
    steady = [[0.9, 0.91, 0.9, 0.89, 0.9]] * 6
    assert is_uneven(wide[:2] + steady, [True] * 2 + [False] * 6)
    assert not is_uneven(wide[:2] + steady, [False] * 8)


def share_warned(simulation: Any, what: str, n_seeds: int, own_splits: bool, n_studies: int) -> float:
    """Of simulated studies of 18 rows, those that the report warns of, at a margin of 2 points."""
    random = np.random.default_rng([7, n_seeds, own_splits])
    found = []
    for _ in range(n_studies):
        truth = simulation.TRUTHS[what]
        right, _ = simulation.simulate(random, truth, simulation.N_ROWS, n_seeds, 300, own_splits)
        counts = right.sum(axis=2)[1:].tolist()
        marked = [of_counts(row, len(row) * [300], 0.02) is not None for row in counts]
        found.append(is_uneven([[count / 300 for count in row] for row in counts], marked))
    return float(np.mean(found))


def test_the_warning_comes_in_harsh_studies_and_rarely_in_calm_ones(simulation: Any) -> None:
    for what in ("a third of the rows fails at random", "half of the rows fails at random"):
        assert share_warned(simulation, what, 5, True, 30) >= 0.9
    for what in ("the texts", "both", "single predictions", "the seeds of one row"):
        assert share_warned(simulation, what, 5, True, 30) <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("own_splits", [False, True], ids=["one split", "own splits"])
@pytest.mark.parametrize(
    ("what", "least", "most"),
    [
        ("the texts", 0.0, 0.01),
        ("both", 0.0, 0.05),
        ("the seeds", 0.0, 0.35),
        ("single predictions", 0.0, 0.01),
        ("the seeds of one row", 0.0, 0.03),
        ("a third of the rows fails at random", 0.7, 1.0),
        ("half of the rows fails at random", 0.85, 1.0),
    ],
)
def test_how_often_the_warning_comes(
    simulation: Any, what: str, least: float, most: float, own_splits: bool
) -> None:
    """The table of docs/error-rates.md."""
    shares = [share_warned(simulation, what, n_seeds, own_splits, 200) for n_seeds in (3, 5, 10)]
    assert all(least <= share <= most for share in shares)
