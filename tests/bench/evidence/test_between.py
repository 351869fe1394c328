from types import ModuleType

import pytest

from bench.evidence.between import RowBetween, compare_studies
from gptcore.recipe import Recipe


def only(found: list[RowBetween]) -> RowBetween:
    assert len(found) == 1
    return found[0]


def spread(start: int, number: int) -> list[range]:
    return [range(start + seed, start + seed + number) for seed in range(3)]


def test_the_same_seeds_on_the_same_data_are_paired(rows: ModuleType) -> None:
    ours = rows.make_results(rows.make_row("a", spread(0, 60), [2, 4, 6], recipe=Recipe()))
    theirs = rows.make_results(rows.make_row("a", spread(0, 10), [1, 2, 3], recipe=Recipe()))
    found = only(compare_studies(ours, theirs))
    assert found.paired
    assert found.paired.estimate.value == pytest.approx(-50 / 300)
    assert found.paired.call == "worse"
    assert found.unpaired is None
    assert found.flipped == (150, 900)
    assert found.time
    assert found.time.ratio == pytest.approx(2)


def test_equal_recipes_that_ran_twice_are_compared_all_the_same(rows: ModuleType) -> None:
    """Two commits or engines: the recipe says that nothing differs, the runs may say otherwise."""
    ours = rows.make_results(rows.make_row("a", spread(0, 10), recipe=Recipe()))
    theirs = rows.make_results(rows.make_row("a", spread(0, 90), recipe=Recipe()))
    found = only(compare_studies(ours, theirs))
    assert found.paired
    assert found.paired.call == "better"
    assert found.paired.p_holm < 0.05


def test_other_data_is_unpaired(rows: ModuleType) -> None:
    other = rows.DATASET.model_copy(
        update={"name": "reviews", "fingerprint": "0" * 64, "source_fingerprint": "1"}
    )
    ours = rows.make_results(rows.make_row("a", spread(0, 60), dataset=other), dataset=other)
    theirs = rows.make_results(rows.make_row("a", spread(0, 10)))
    found = only(compare_studies(ours, theirs))
    assert found.paired is None
    assert found.flipped is None
    assert found.unpaired
    assert found.unpaired.low < found.unpaired.mean == pytest.approx(-50 / 300)
    assert found.unpaired.high < 0


def test_times_only_of_one_machine(rows: ModuleType) -> None:
    ours = rows.make_results(rows.make_row("a", spread(0, 10), [2, 2, 2], threads=64))
    theirs = rows.make_results(rows.make_row("a", spread(0, 10), [1, 1, 1]))
    assert only(compare_studies(ours, theirs)).time is None


def test_only_rows_that_both_finished_and_each_recipe_once(rows: ModuleType) -> None:
    recipe = Recipe()
    made = [
        *(
            rows.make_row("a", spread(0, 10), recipe=recipe),
            rows.make_row("a again", spread(0, 10), recipe=recipe),
        ),
        *(rows.make_row("b", spread(0, 10)), rows.make_row("c", [])),
    ]
    theirs = [rows.make_row(name, spread(0, 10)) for name in ("c", "a", "a again")]
    found = compare_studies(rows.make_results(*made), rows.make_results(*theirs))
    assert [one.name for one in found] == ["a"]
