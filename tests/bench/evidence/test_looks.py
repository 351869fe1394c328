"""Studies that are judged again after their seeds have grown."""

from collections.abc import Callable

import pytest

from bench.evidence.looks import repeated_looks
from bench.records.study import Study
from gptcore.recipe import Seeds

MakeStudy = Callable[..., Study]


def seeds(n: int) -> list[Seeds]:
    return [Seeds(init=i, order=i, split=i) for i in range(n)]


@pytest.mark.parametrize("looks", [None, [], [1], [10], [10, 12]])
def test_one_look_needs_no_remark(toy_study: MakeStudy, looks: list[int] | None) -> None:
    assert repeated_looks(toy_study(seeds=seeds(10), looks=looks)) == ""


def test_earlier_looks_are_named(toy_study: MakeStudy) -> None:
    text = repeated_looks(toy_study(seeds=seeds(10), looks=[1, 3, 5]))
    assert text.startswith(
        "Judged at 3, 5 and again at 10 seeds, before looks were planned: its error rates hold for one look."
    )


def test_seeds_that_give_no_verdicts_are_no_look(toy_study: MakeStudy) -> None:
    series = [Seeds(), Seeds(init=124), Seeds(order=124)]
    assert repeated_looks(toy_study(seeds=series, looks=[2])) == ""


def test_a_look_is_kept_once(toy_study: MakeStudy) -> None:
    study = toy_study(seeds=seeds(5)).with_look().with_look()
    assert study.looks == [5]
    assert study.model_copy(update={"seeds": seeds(10)}).with_look().looks == [5, 10]
