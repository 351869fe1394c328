"""The looks of a call and of the folder that it goes on in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from bench.evidence.scheme import MOST_SEEDS, with_looks
from bench.records.record import Record
from bench.records.store import save_study
from bench.records.study import PlannedLook, Study
from bench.run.looks import asked_looks, check_looks, parse_budget, scheme_of
from bench.run.options import LookOptions, RunOptions
from bench.run.same_study import reported_study
from bench.run.seeds import TOGETHER, make_seeds
from gptcore.errors import UserError

MakeStudy, MakeRecord = Callable[..., Study], Callable[..., Record]
UNTIL = LookOptions(until_decided=True)


def seeds_of(scheme: list[PlannedLook] | None) -> list[int] | None:
    return None if scheme is None else [look.seeds for look in scheme]


@pytest.mark.parametrize(
    ("options", "seeds", "looks"),
    [
        (LookOptions(), None, (3,)),
        (LookOptions(), 7, (7,)),
        (UNTIL, None, (5, 10, 20, 40)),
        (UNTIL, 20, (5, 10, 20)),
        (UNTIL, 15, (5, 10, 15)),
        (LookOptions(until_decided=True, looks="4,8"), None, (4, 8)),
    ],
)
def test_a_call_has_its_looks(options: LookOptions, seeds: int | None, looks: tuple[int, ...]) -> None:
    assert asked_looks(options, seeds) == looks


@pytest.mark.parametrize(
    ("options", "seeds", "said"),
    [
        ({"budget": "30m"}, None, "--budget needs --until-decided"),
        ({"looks": "5,10"}, None, "--looks needs --until-decided"),
        (
            {"until_decided": True, "looks": "5,10"},
            8,
            "--looks 5,10: the last look needs 10 seeds, and --seeds says 8",
        ),
        ({"until_decided": True}, 4, "--seeds 4: the first look needs 5 seeds"),
        ({"until_decided": True, "budget": "soon"}, None, "--budget soon: write a number and a unit"),
        ({"until_decided": True, "budget": "0m"}, None, "--budget 0m: write a number and a unit"),
        ({"until_decided": True, "looks": "9,5"}, None, "--looks 9,5: each look needs more seeds"),
    ],
)
def test_what_does_not_fit_is_one_line(options: dict[str, Any], seeds: int | None, said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}"):
        asked_looks(LookOptions(**options), seeds)


def test_a_budget_has_a_unit() -> None:
    assert [parse_budget(text) for text in ("90s", "30m", "1.5h", "2 min")] == [90, 1800, 5400, 120]


def test_a_study_that_grows_keeps_its_looks_and_adds_one(
    tmp_path: Path, toy_study: MakeStudy, toy_record: MakeRecord
) -> None:
    seeds = make_seeds(10, TOGETHER)
    before = toy_study(seeds=seeds[:5], scheme=scheme_of((5,), seeds[:5]))
    save_study(tmp_path, before)
    record = toy_record()
    grown = toy_study(seeds=seeds, scheme=scheme_of((10,), seeds))
    found, _ = reported_study(tmp_path, grown, {record.run_id: record})
    assert found.scheme == with_looks(before.scheme or [], [10])
    assert found.earlier_looks == []
    fresh, _ = reported_study(tmp_path, grown, {})  # nothing has run: the plan can still change
    assert fresh.scheme == grown.scheme
    again, _ = reported_study(tmp_path, before, {record.run_id: record})
    assert again.scheme == before.scheme


def test_a_study_from_before_looks_were_planned_is_judged_as_it_was(
    tmp_path: Path, toy_study: MakeStudy, toy_record: MakeRecord
) -> None:
    seeds = make_seeds(10, TOGETHER)
    save_study(tmp_path, toy_study(seeds=seeds[:5], looks=[5]))
    record = toy_record()
    grown = toy_study(seeds=seeds, scheme=scheme_of((10,), seeds))
    found, _ = reported_study(tmp_path, grown, {record.run_id: record})
    assert found.scheme is None
    assert found.earlier_looks == [5]
    check_looks(tmp_path, LookOptions(), found)
    with pytest.raises(UserError, match="was judged before looks were planned and has spent its error level"):
        check_looks(tmp_path, UNTIL, found)


def test_looks_are_fixed_before_the_first_run(toy_study: MakeStudy) -> None:
    seeds = make_seeds(20, TOGETHER)
    study = toy_study(seeds=seeds, scheme=scheme_of((5, 10, 20), seeds))
    check_looks(Path("results/x"), LookOptions(until_decided=True, looks="5,20"), study)
    with pytest.raises(
        UserError, match=r"--looks 4,20: results/x has results and judges at 5, 10, 20 seeds, not"
    ):
        check_looks(Path("results/x"), LookOptions(until_decided=True, looks="4,20"), study)


def test_seeds_that_share_values_have_no_looks(toy_study: MakeStudy) -> None:
    seeds = make_seeds(5, (("init",), ("order",)))
    assert scheme_of((5,), seeds) is None
    with pytest.raises(UserError, match="seeds that vary one thing at a time give no verdicts"):
        check_looks(Path("results/x"), UNTIL, toy_study(seeds=seeds))


def test_a_scheme_that_spends_too_much_is_not_read(toy_study: MakeStudy) -> None:
    for looks in ([(5, 0.6), (10, 0.6)], [(10, 0.1), (5, 0.1)]):
        with pytest.raises(ValueError, match="more and more seeds"):
            toy_study(scheme=[PlannedLook(seeds=n, share=share) for n, share in looks])


def test_looks_and_seeds_have_one_limit() -> None:
    (option,) = get_type_hints(RunOptions, include_extras=True)["seeds"].__metadata__
    assert option.max == MOST_SEEDS
