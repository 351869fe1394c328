"""Rows whose seeds are wide or skewed."""

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from bench.evidence.unsteady import are_many, unsteady, unsteady_rows


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


def test_texts_alone_seldom_mark_a_row(rows: ModuleType) -> None:
    random = np.random.default_rng(0)
    marked = [unsteady(rows.make_row("row", wrong(*random.binomial(300, 0.06, 5))), 0.01) for _ in range(150)]
    assert sum(found is not None for found in marked) <= 2


def test_a_study_of_which_a_third_is_unsteady(rows: ModuleType) -> None:
    steady = [rows.make_row(name, wrong(9, 10, 11)) for name in ("a", "b", "c")]
    broken = [rows.make_row(name, wrong(9, 10, 100)) for name in ("d", "e")]
    few, many = rows.make_results(*steady, broken[0]), rows.make_results(*steady, *broken)
    assert list(unsteady_rows(many)) == ["d", "e"]
    assert (are_many(few), are_many(many)) == (False, True)
    assert not unsteady_rows(replace(many, margin=0.4))
