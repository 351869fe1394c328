"""Several data sets in one call: their names, their folders, and what is of one alone."""

from pathlib import Path
from typing import Any

import pytest

from bench.run.options import LookOptions, RunOptions
from bench.run.several import each_data, folder_name, named_data
from gptcore.errors import UserError


def test_names_lie_between_commas_unless_a_file_has_them(tmp_path: Path) -> None:
    assert named_data("sms-spam") == ["sms-spam"]
    assert named_data("sms-spam, trec,mine/a.csv") == ["sms-spam", "trec", "mine/a.csv"]
    path = tmp_path / "a,b.csv"
    path.write_text("text,label\n")
    assert named_data(str(path)) == [str(path)]
    assert folder_name("mine/a.csv") == "a"


@pytest.mark.parametrize(
    ("text", "said"), [("a,,b", "a name is missing"), ("a,b,x/a.csv", "called the same")]
)
def test_names_that_cannot_be_told_apart_are_refused(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        named_data(text)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"data_path": Path("x.zip")},
            "^--data-path describes one data set, and --data names 2: leave it out",
        ),
        ({"text_column": "body"}, "^--text-column describes one data set"),
        ({"no_header": True}, "^--no-header describes one data set"),
    ],
)
def test_what_describes_one_data_set_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        each_data(RunOptions(data="sms-spam,trec", **changes), LookOptions())


def test_until_decided_is_of_one_data_set() -> None:
    with pytest.raises(UserError, match=r"^--until-decided takes one data set"):
        each_data(RunOptions(data="sms-spam,trec"), LookOptions(until_decided=True))


def test_each_data_set_has_its_folder() -> None:
    found, whole = each_data(RunOptions(data="sms-spam,mine/a.csv", out=Path("here"), seeds=5))
    assert whole == Path("here")
    assert [(one.data, one.out, one.seeds) for one in found] == [
        ("sms-spam", Path("here/sms-spam"), 5),
        ("mine/a.csv", Path("here/a"), 5),
    ]
    assert each_data(RunOptions()) == ([RunOptions()], None)
