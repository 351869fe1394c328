"""The page against transformers: ratios by round against the faster of their precisions, and the goals."""

from pathlib import Path

import pytest

from bench.records.opponent import OpponentRow, OpponentStudy, opponent_path
from bench.records.speed import Taken
from bench.report.opponent import opponent_page, write_opponent
from gptcore.recipe import Recipe
from tests.bench.toys import ENVIRONMENT

PLACE = ENVIRONMENT.model_copy(
    update={"cpu": "a | processor", "versions": {"torch": "2", "transformers": "5", "peft": "0.18"}}
)


def taken(train: float, evaluate: float, trunk: float | None = None) -> Taken:
    phases = {"train": train, "evaluate": evaluate}
    return Taken(phases=phases if trunk is None else {"trunk": trunk} | phases)


ROW = OpponentRow(
    row="last-block",
    recipe=Recipe(),
    ours=[taken(3, 2, 5), taken(3, 2, 5), taken(4, 1, 5)],
    theirs={
        "float32": [taken(80, 20), taken(90, 30), taken(70, 20)],
        "bfloat16": [taken(60, 10), taken(60, 20), taken(65, 5)],
    },
)
STUDY = OpponentStudy(
    model="toy",
    dataset="sms-spam",
    n_train=1045,
    rounds=3,
    precision="bfloat16",
    slices="two steps",
    rows=[ROW],
    environment=PLACE,
    created_at="2026-01-01T00:00:00+00:00",
)


def test_ratios_are_of_rounds_and_of_their_faster_precision() -> None:
    assert ROW.faster == "bfloat16"
    assert ROW.ratios == [7, 8, 7]
    assert ROW.further_ratios == [14, 16, 14]
    assert ROW.prediction_ratios == [5, 10, 5]


def test_the_page_says_which_goals_are_met() -> None:
    page = opponent_page(STUDY)
    assert "torch 2, transformers 5, peft 0.18" in page
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
    assert ["last-block", "whole run", "6", "7.0", "yes"] in lines
    assert ["last-block", "each further seed", "15", "14.0", "**no**"] in lines
    (row,) = [cells for cells in lines if cells[:1] == ["last-block"] and len(cells) > 6]
    assert row[1:6] == ["100", "70.0", "10.0", "7.0", "7.0, 8.0"]


@pytest.mark.parametrize(
    ("dataset", "name"), [("sms-spam", "toy-transformers"), ("ag-news", "toy-ag-news-transformers")]
)
def test_it_is_written_beside_its_record(tmp_path: Path, dataset: str, name: str) -> None:
    study = STUDY.model_copy(update={"dataset": dataset})
    page = write_opponent(tmp_path, study)
    assert page == tmp_path / f"{name}.md"
    record = opponent_path(tmp_path, "toy", dataset)
    assert OpponentStudy.model_validate_json(record.read_text()) == study


def test_a_precision_that_was_not_timed_has_no_column() -> None:
    only = ROW.model_copy(update={"theirs": {"float32": ROW.theirs["float32"]}})
    page = opponent_page(STUDY.model_copy(update={"rows": [only]}))
    assert "transformers bfloat16, s" not in page
    assert "large products take longer in bfloat16" in page


def test_it_says_what_padding_leaves_to_gain_where_that_was_counted() -> None:
    page = opponent_page(STUDY.model_copy(update={"padded": {"train": 1.5, "evaluate": 2.25}}))
    assert "1.50 times the positions that have tokens in training, and 2.25 times in predictions" in page
    assert "padding: their batches" not in opponent_page(STUDY)
