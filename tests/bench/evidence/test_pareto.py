import random
from dataclasses import replace
from types import ModuleType

import pytest

from bench.evidence.pareto import Tradeoff, pareto_front, weigh


def beaten(i: int, points: list[tuple[float, float]]) -> bool:
    """Whether some other point costs no more and gains no less, and is better in one of the two."""
    cost, gain = points[i]
    return any(c <= cost and g >= gain and (c < cost or g > gain) for c, g in points)


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_every_point_that_no_other_beats(seed: int) -> None:
    rng = random.Random(seed)
    points = [(float(rng.randint(1, 6)), float(rng.randint(1, 6))) for _ in range(12)]
    front = pareto_front([c for c, _ in points], [g for _, g in points])
    expected = {points[i] for i in range(len(points)) if not beaten(i, points)}
    assert [points[i] for i in front] == sorted(expected)


def test_the_front_of_nothing() -> None:
    assert pareto_front([], []) == []


def tradeoff(rows: ModuleType, *made: object, margin: float = 0.05) -> Tradeoff:
    found = weigh(replace(rows.make_results(*made), margin=margin))
    assert found
    return found


def spread(start: int, number: int) -> list[range]:
    return [range(start + seed, start + seed + number) for seed in range(3)]


def test_the_cheapest_row_that_is_shown_to_lose_little_is_recommended(rows: ModuleType) -> None:
    found = tradeoff(
        rows,
        rows.make_row("dear and best", spread(0, 9), [50, 51, 52]),
        rows.make_row("cheap and bad", spread(0, 90), [1, 1, 1]),
        rows.make_row("cheap enough", spread(2, 11), [5, 5, 5], trained=10),
        rows.make_row("in the middle", spread(2, 11), [20, 20, 20]),
    )
    assert found.best.name == "dear and best"
    assert found.recommended
    assert found.recommended.result.name == "cheap enough"
    assert [one.result.name for one in found.candidates if one.is_worse] == ["cheap and bad"]
    assert [row.name for row in found.by_time] == ["cheap and bad", "cheap enough", "dear and best"]
    assert [row.name for row in found.by_parameters] == ["cheap enough", "dear and best"]


def test_of_equally_accurate_rows_the_cheapest_is_the_best(rows: ModuleType) -> None:
    wrong = spread(0, 9)
    found = tradeoff(rows, rows.make_row("slow", wrong, [9, 9, 9]), rows.make_row("quick", wrong, [2, 2, 2]))
    assert found.recommended
    assert found.best.name == found.recommended.result.name == "quick"


def test_the_best_itself_where_every_cheaper_row_is_worse(rows: ModuleType) -> None:
    found = tradeoff(
        rows,
        rows.make_row("best", spread(0, 9), [50, 51, 52]),
        rows.make_row("worse", spread(0, 60), [1, 1, 1]),
    )
    assert found.recommended
    assert found.recommended.result.name == "best"


def test_absence_of_evidence_recommends_nothing(rows: ModuleType) -> None:
    """A cheaper row that may lose more than the margin, and is not shown to be worse either."""
    made = [
        rows.make_row("best", spread(0, 9), [50, 51, 52]),
        rows.make_row("cheap", spread(2, 11), [5, 5, 5]),
    ]
    found = tradeoff(rows, *made, margin=0.01)
    assert found.recommended is None
    assert [one.result.name for one in found.cheaper] == ["cheap"]
    assert not found.cheaper[0].will_do
    assert not found.cheaper[0].is_worse


def test_one_seed_recommends_no_recipe(rows: ModuleType) -> None:
    one = [rows.make_row("best", spread(0, 9)[:1]), rows.make_row("bad", spread(0, 99)[:1])]
    found = tradeoff(rows, *one)
    assert not found.is_of_recipes
    assert found.recommended is None


def test_nothing_is_weighed_over_two_machines_or_with_one_row(rows: ModuleType) -> None:
    one, two = rows.make_row("one", spread(0, 9)), rows.make_row("two", spread(0, 9), cpu="another CPU")
    assert weigh(rows.make_results(one)) is None
    assert weigh(rows.make_results(one, two)) is None
    assert weigh(rows.make_results(one, rows.make_row("two", spread(0, 9), engine="plain"))) is None
