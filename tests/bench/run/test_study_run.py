"""From the command line's words to seeds and folders."""

import re
from pathlib import Path

import pytest

from bench.run.seeds import make_seeds, parse_vary
from bench.run.study_name import study_name
from gptcore.errors import UserError
from gptcore.recipe import Seeds


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
    assert study_name("full", ["bundled"], "sms-spam", "fast") == "bundled"
    assert study_name("full", ["bundled"], "sms-spam", "fast", (("init",),)) == "bundled-vary-init"
    assert study_name("full", ["nano"], "sms-spam", "fast", (("init", "order"), ("split",))) == (
        "nano-vary-init+order-split"
    )


def test_what_set_gives_is_part_of_the_folder() -> None:
    def name(**changes: object) -> str:
        return study_name("full", ["nano"], "mine.csv", "fast", changes=changes)

    assert name() == "nano-mine"
    assert name(class_weight="balanced") == "nano-mine-class_weight-balanced"
    assert name(lr=1e-4, epochs=2) == name(epochs=2, lr=1e-4) == "nano-mine-epochs-2-lr-0.0001"
    tables = {name(train={"method": "lora", "rank": rank}) for rank in range(3)}
    assert len(tables) == 3
    assert all(re.fullmatch(r"nano-mine-train-method-lora-rank-\d-[0-9a-f]{6}", one) for one in tables)
    assert len(name(model="../" * 90)) < 60


def test_checkpoints_that_are_called_alike_have_folders_of_their_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "final").mkdir(parents=True)
    names = {study_name("full", [str(tmp_path / name / "final")], "sms-spam", "fast") for name in ("a", "b")}
    assert len(names) == 2
    assert all(name.startswith("final-") for name in names)
