"""From the command line's words to seeds and folders."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.records.record import Record
from bench.records.store import save_study
from bench.records.study import Row, Study
from bench.run.study_run import TOGETHER, _manifest, make_seeds, parse_vary, study_name
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds


def test_the_first_seed_is_the_published_one_and_all_three_count_on() -> None:
    assert make_seeds(3, (("init", "order", "split"),)) == [
        Seeds(init=123, order=123, split=123),
        Seeds(init=124, order=124, split=124),
        Seeds(init=125, order=125, split=125),
    ]


def test_what_does_not_vary_stays_as_published() -> None:
    assert make_seeds(2, (("order",),)) == [Seeds(), Seeds(init=123, order=124, split=123)]


def test_vary_is_read_in_any_order() -> None:
    assert parse_vary(["split, init"]) == (("init", "split"),)
    assert parse_vary(["split", "init", "split"]) == (("split",), ("init",))


def test_series_share_the_first_seed() -> None:
    assert make_seeds(3, (("init",), ("split",))) == [
        Seeds(),
        Seeds(init=124),
        Seeds(init=125),
        Seeds(split=124),
        Seeds(split=125),
    ]


@pytest.mark.parametrize("text", ["", "init,weights", "all"])
def test_vary_refuses_what_is_no_seed(text: str) -> None:
    with pytest.raises(UserError, match="use one or more of init,order,split"):
        parse_vary([text])


def test_a_study_of_one_seed_kind_has_its_own_folder() -> None:
    assert study_name("full", "embedded", "sms-spam", "fast") == "embedded"
    assert study_name("full", "embedded", "sms-spam", "fast", (("init",),)) == "embedded-vary-init"
    assert study_name("full", "nano", "sms-spam", "fast", (("init", "order"), ("split",))) == (
        "nano-vary-init+order-split"
    )


@pytest.mark.parametrize(
    ("kept", "status", "looks"),
    [([1, 2], "done", [1, 2]), ([], "done", []), (None, "done", [2]), (None, "failed", [])],
    ids=["kept", "never judged", "from before", "from before, unfinished"],
)
def test_what_earlier_calls_judged_is_carried_on(
    tmp_path: Path,
    toy_study: Callable[..., Study],
    toy_record: Callable[..., Record],
    kept: list[int] | None,
    status: str,
    looks: list[int],
) -> None:
    """`None` is what manifests open with that were written before looks were kept."""
    seeds = make_seeds(3, TOGETHER)
    save_study(tmp_path, toy_study(seeds=seeds[:2], looks=kept))
    record = toy_record(seed_index=1, status=status)
    found, _ = _manifest(tmp_path, toy_study(seeds=seeds), {record.run_id: record})
    assert found.looks == looks
    other = toy_study([Row(name="baseline", recipe=Recipe(lr=1.0))], seeds=seeds)
    assert _manifest(tmp_path, other, {record.run_id: record})[0].looks == []
