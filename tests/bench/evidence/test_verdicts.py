"""Verdicts: what is said of rows in cases that are clear. test_error_rates.py has how often they err."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.evidence.comparison import compare_rows
from bench.evidence.results import Results, collect
from bench.evidence.verdicts import judge
from bench.records.record import Record
from bench.records.study import Row, Study
from gptcore.recipe import Recipe, Seeds
from tests.bench.toys import make_outcome

MakeRecord = Callable[..., Record]
MakeStudy = Callable[..., Study]
Right = np.ndarray  # (n_seeds, n) 1 where the prediction was right

N = 300


@pytest.fixture
def study_of(toy_record: MakeRecord, toy_study: MakeStudy) -> Callable[..., Results]:
    """A study whose rows have these outcomes: the first is the baseline, the others are against it."""

    def make(outcomes: dict[str, Right], seconds: dict[str, float] | None = None, **changes: Any) -> Results:
        names = list(outcomes)
        rows = [
            Row(name=name, recipe=Recipe(epochs=i + 1), against=names[0] if i else None)
            for i, name in enumerate(names)
        ]
        n_seeds = max(len(right) for right in outcomes.values())
        study = toy_study(rows, seeds=[Seeds(init=123 + i) for i in range(n_seeds)])
        records = [
            toy_record(
                row.recipe,
                index,
                seeds=study.seeds[index],
                **outcome(right, (seconds or {}).get(row.name, 1.0)),
            )
            for row in rows
            for index, right in enumerate(outcomes[row.name])
        ]
        return collect(study, [record.model_copy(update=changes) for record in records])

    return make


def outcome(right: np.ndarray, seconds: float) -> dict[str, Any]:
    return make_outcome(set(np.flatnonzero(right == 0).tolist()), len(right), seconds)


def wrong_at(*positions: range, n: int = N) -> Right:
    """One seed a range of wrong predictions."""
    right = np.ones((len(positions), n), dtype=int)
    for line, wrong in zip(right, positions, strict=True):
        line[list(wrong)] = 0
    return right


BASE = wrong_at(range(0, 20), range(2, 22), range(1, 21))


# --- what is called what ---------------------------------------------------------------------------------


def test_a_row_that_is_clearly_worse_and_one_that_is_clearly_better(
    study_of: Callable[..., Results],
) -> None:
    outcomes = {
        "base": wrong_at(range(60), range(2, 61), range(1, 62)),
        "bad": wrong_at(range(130), range(132), range(131)),
        "good": wrong_at(range(4), range(3), range(5)),
    }
    found = judge(study_of(outcomes, seconds={"base": 2.0, "bad": 1.0}))
    assert list(found) == ["bad", "good"]
    assert (found["bad"].call, found["good"].call) == ("worse", "better")
    assert found["bad"].against == "base"
    assert found["bad"].difference.mean == pytest.approx((180 - 393) / 3 / N)
    assert found["bad"].difference.high < 0 < found["good"].difference.low
    assert found["bad"].p_holm < 0.01
    assert found["bad"].outlook is not None
    assert found["bad"].outlook.needs is None
    assert found["bad"].time is not None
    assert found["bad"].time.ratio == pytest.approx(0.5)


def test_rows_that_agree_are_called_so_only_on_enough_examples(study_of: Callable[..., Results]) -> None:
    """Agreement on 300 examples leaves a difference of a point possible, one of 5 points not."""
    results = study_of({"base": BASE, "same": BASE, "other": BASE[::-1]})
    assert judge(replace(results, margin=0.05))["same"].call == "no difference"
    assert judge(replace(results, margin=0.01))["same"].call == "undecided"
    many = np.tile(BASE, (1, 4))
    assert judge(replace(study_of({"base": many, "same": many}), margin=0.01))["same"].call == "no difference"


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_one_or_two_seeds_speak_of_the_models_alone(study_of: Callable[..., Results], n_seeds: int) -> None:
    base, bad = wrong_at(*[range(9)] * n_seeds), wrong_at(*[range(200)] * n_seeds)
    found = judge(study_of({"base": base, "bad": bad, "good": base}))
    assert (found["bad"].call, found["bad"].is_of_recipes, found["bad"].n_seeds) == (
        "model worse",
        False,
        n_seeds,
    )
    assert found["bad"].p_holm < 1e-20
    assert found["good"].call == "undecided"
    assert found["bad"].outlook is not None
    assert (found["bad"].outlook.needs, found["bad"].outlook.seeds) == ("recipe seeds", 3)


def test_three_seeds_speak_of_recipes(study_of: Callable[..., Results]) -> None:
    found = judge(study_of({"base": BASE, "bad": wrong_at(*[range(200)] * 3)}))["bad"]
    assert (found.call, found.is_of_recipes) == ("worse", True)


def test_a_row_is_no_different_from_its_own_recipe(study_of: Callable[..., Results]) -> None:
    results = study_of({"base": BASE, "twin": BASE})
    twin = results.rows[1]
    same = twin.row.model_copy(update={"recipe": results.rows[0].row.recipe})
    study = results.study.model_copy(update={"rows": [results.rows[0].row, same]})
    found = judge(collect(study, results.runs))["twin"]
    assert (found.call, found.p_holm, found.difference.mean) == ("no difference", 1.0, 0.0)


def test_rows_without_a_common_seed_get_no_verdict(study_of: Callable[..., Results]) -> None:
    results = study_of({"base": BASE[:0], "row": BASE})
    assert judge(results) == {}
    assert compare_rows(results.rows[1], results.rows[0]) is None


def test_other_test_examples_are_not_compared(study_of: Callable[..., Results]) -> None:
    results = study_of({"base": BASE, "row": BASE})
    other = results.rows[0].done[0].dataset.model_copy(update={"fingerprint": "0" * 64})
    runs = [r.model_copy(update={"dataset": other}) if r.seed_index == 1 else r for r in results.rows[1].done]
    found = judge(collect(results.study, [*results.rows[0].done, *runs]))["row"]
    assert found.n_seeds == 2


def test_a_row_that_looks_steady_by_chance_is_not_trusted(study_of: Callable[..., Results]) -> None:
    """Alone, three seeds that agree to the message are convincing; among restless rows they are luck."""
    base = wrong_at(*[range(0, 30)] * 3)
    steady = wrong_at(*[range(15, 60)] * 3)
    restless = {f"restless {i}": wrong_at(range(5 + i), range(40 - i), range(80 + i)) for i in range(6)}
    alone = judge(study_of({"base": base, "steady": steady}))["steady"]
    among = judge(study_of({"base": base, "steady": steady, **restless}))["steady"]
    assert alone.call == "worse"
    assert among.call == "undecided"


def test_restless_rows_do_not_block_a_steady_one(study_of: Callable[..., Results]) -> None:
    """Fault E1: their variance in points was once the least that a steady row could count with."""
    random = np.random.default_rng(2)

    def right(*shares: float) -> Right:
        return np.array([(random.random(N) < share).astype(int) for share in shares])

    outcomes = {
        "base": right(*[0.93] * 10),
        "bad": right(*[0.87] * 10),
        **{f"restless {i}": right(*random.choice([0.5, 0.6, 0.7, 0.93], 10)) for i in range(9)},
        **{f"steady {i}": right(*[0.93] * 10) for i in range(9)},
    }
    assert judge(study_of(outcomes))["bad"].call == "worse"


def test_a_row_with_a_seed_that_fails_is_marked_with_it(study_of: Callable[..., Results]) -> None:
    """Fault E4: a mean over seeds of which some fail says little of how often they do."""
    broken = wrong_at(range(20), range(21), range(19), range(22), range(100))
    found = judge(study_of({"base": wrong_at(*[range(20)] * 5), "broken": broken}))["broken"]
    assert found.unsteady is not None
    assert found.unsteady.lowest == pytest.approx(200 / 300)
