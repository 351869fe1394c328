"""A file with one of everything: each finding with its place and its remedy."""

import csv
import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench.check.check import check
from bench.check.finding import Finding
from bench.check.texts import script_of
from bench.cli import app
from gptcore.data.options import ReadOptions
from gptcore.errors import UserError


def write(path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def good_rows(n: int = 60) -> list[tuple[str, ...]]:
    words = {"ham": "see you at home later my dear friend", "spam": "win a prize now call this number free"}
    return [(f"{words[label][i % 9 :]} {i * i}", label) for i in range(n) for label in words]


def found(path: Path, text: str, options: ReadOptions | None = None) -> Finding:
    checked = check(str(path), options or ReadOptions())
    some = [finding for finding in checked.findings if text in finding.title]
    assert len(some) == 1, [finding.title for finding in checked.findings]
    return some[0]


@pytest.mark.parametrize(
    ("rows", "title", "level", "place"),
    [
        ([("", "ham")], "1 row cannot be used: the text is empty", "problem", "line 122"),
        ([("hello there", "")], "1 row cannot be used: the label is missing", "problem", "line 122"),
        ([("hello there", "Spam ")], "differ only in case or blanks", "problem", "line 122"),
        ([("hello there", "eggs")], "1 class has fewer than the 3 rows", "problem", "line 122"),
        (
            [(f"hello there {i}", "eggs") for i in range(5)],
            "1 class has fewer than 10 rows",
            "warning",
            "line 122",
        ),
        ([("!?", "ham")], "fewer than 3 letters or digits", "warning", "line 122"),
        ([("привет как дела", "ham")], "mostly in a rare one", "warning", "line 122"),
        ([("A  copied text", "ham"), ("a copied TEXT", "ham")], "1 row repeats the text", "note", "line 122"),
        (
            [("a copied text", "ham"), ("a copied text", "spam")],
            "1 text stands under more",
            "problem",
            "line 122",
        ),
        ([("now " * 400, "spam")] * 2, "(context 256)|context 256", "warning", "line 122"),
        (
            [
                ("this text is nearly the same as that one", "ham"),
                ("this text is nearly the same as that on", "spam"),
            ],
            "near duplicates has different labels",
            "warning",
            "line 122",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_finding_has_a_place_and_a_remedy(tmp_path, rows, title, level, place) -> None:
    path = write(tmp_path / "reviews.csv", [*good_rows(), *rows])
    finding = found(path, title.split("|")[-1])
    assert finding.level == level
    assert any(place in example for example in finding.examples), finding.examples
    assert finding.remedy


def test_a_sound_file_has_no_problem(tmp_path) -> None:
    checked = check(str(write(tmp_path / "reviews.csv", good_rows())), ReadOptions())
    assert not [finding for finding in checked.findings if finding.level == "problem"]
    assert checked.n_rows == 120
    assert checked.design is not None
    assert checked.design.n_examples == 24


def test_the_remedy_for_spellings_of_a_class_can_be_copied(tmp_path) -> None:
    path = write(
        tmp_path / "a.csv", [*good_rows(), ("hello there", "Spam "), ("hi", "HAM"), ("who", "don't")]
    )
    remedy = found(path, "'Spam ' (1) differ only in case or blanks").remedy
    *_, names = shlex.split(remedy)
    options = ReadOptions(label_names=names)
    assert not [one for one in check(str(path), options).findings if "differ only in" in one.title]


def test_names_that_the_option_cannot_tell_apart_are_not_offered_to_it(tmp_path) -> None:
    path = write(tmp_path / "a.csv", [*good_rows(), ("hello there", "Spam "), ("hi", "ham, or not")])
    finding = found(path, "differ only in case or blanks")
    assert finding.remedy == "if they are one class, give them one name in the file"


def test_columns_of_groups_are_noticed(tmp_path) -> None:
    rows = [(text, label, f"u{i % 7}") for i, (text, label) in enumerate(good_rows())]
    path = write(tmp_path / "reviews.csv", rows, ("text", "label", "User ID"))
    finding = found(path, "'User ID' has 7 values, 7 of them in several rows")
    assert finding.remedy == "add --group-column 'User ID', which keeps the rows of a value in one part"


def test_groups_that_given_parts_divide_are_a_problem(tmp_path) -> None:
    parts = ["train"] * 7 + ["validation", "test", "test"]
    rows = [(text, label, f"u{i % 40}", parts[i % 10]) for i, (text, label) in enumerate(good_rows())]
    rows.append(("one more text", "ham", "u3", "test"))
    path = write(tmp_path / "reviews.csv", rows, ("text", "label", "who", "split"))
    finding = found(path, "1 value of 'who' has rows", ReadOptions(split_column="split", group_column="who"))
    assert finding.level == "problem"
    assert "1 of 25 test rows belong to one of them" in finding.title
    assert finding.examples == ("line 5: 'u3' has rows in test and train",)
    sound = write(tmp_path / "sound.csv", rows[:-1], ("text", "label", "user", "split"))
    assert (
        found(sound, "no value of 'user' has rows in two", ReadOptions(split_column="split")).level == "note"
    )


def test_groups_of_a_test_file_and_without_parts(tmp_path) -> None:
    rows = [(text, label, f"u{i % 40}") for i, (text, label) in enumerate(good_rows())]
    path = write(tmp_path / "train.csv", rows, ("text", "label", "user"))
    test = write(
        tmp_path / "test.csv", [("t 1", "ham", "u1"), ("t 2", "spam", "new")], ("text", "label", "user")
    )
    finding = found(path, "1 value of 'user' has rows", ReadOptions(test=test))
    assert "1 of 2 test rows" in finding.title
    named = found(path, "40 groups in 'user', 40 of them in several rows", ReadOptions(group_column="user"))
    assert named.level == "note"
    design = check(str(path), ReadOptions(group_column="user")).design
    assert design is not None
    assert (design.n_groups, design.groups_count_as) == (8, pytest.approx(8))  # a fifth of 40
    given = check(str(path), ReadOptions(test=test, group_column="user")).design
    assert given is not None
    assert (given.n_groups, given.groups_count_as) == (2, 2)
    assert not given.can_judge
    one = [*rows, *((f"mine {i}", "ham", "me") for i in range(100))]  # more than the test part has room for
    most = check(
        str(write(tmp_path / "one.csv", one, ("text", "label", "user"))), ReadOptions(group_column="user")
    )
    assert most.design is not None
    assert (most.design.n_examples, most.design.n_groups) == (44, 15)
    assert most.design.groups_count_as == pytest.approx(40 * 44 / 120)
    glued = write(
        tmp_path / "glued.csv",
        [*rows, *(("ok", "ham", f"u{i}") for i in range(26))],
        ("text", "label", "user"),
    )
    joined = found(glued, "26 groups are joined by the text 'ok'", ReadOptions(group_column="user"))
    assert joined.level == "warning"
    assert joined.remedy == "keep one row of a text that several groups have"
    gap = write(tmp_path / "gap.csv", [*rows, ("no user here", "ham", "")], ("text", "label", "user"))
    finding = found(gap, "1 row has no value in 'user'", ReadOptions(group_column="user"))
    assert (finding.level, "line 122" in finding.examples[0]) == ("problem", True)
    copied = [*rows, ("ok", "ham", ""), ("ok", "ham", "u1")]
    gap = write(tmp_path / "gap.csv", copied, ("text", "label", "user"))
    checked = check(str(gap), ReadOptions(group_column="user"))
    assert checked.design is None  # a study refuses the file
    assert not [one for one in checked.findings if "are joined by" in one.title]


def test_test_texts_in_train_are_a_warning_and_left_out(tmp_path) -> None:
    path = write(tmp_path / "train.csv", good_rows())
    test = write(tmp_path / "test.csv", [*good_rows()[:3], ("something else", "ham")])
    finding = found(path, "3 of 4 test texts also stand in train", ReadOptions(test=test))
    assert finding.level == "warning"
    assert "training leaves out 3 rows that repeat a later part" in finding.title
    assert finding.examples[0].startswith("test.csv, line 2 ('ham'), line 2 ('ham'): ")


def test_one_class_is_a_problem(tmp_path) -> None:
    path = write(tmp_path / "reviews.csv", [(text, "ham") for text, _ in good_rows()])
    assert found(path, "every row has the label 'ham'").level == "problem"
    assert check(str(path), ReadOptions()).design is None


def test_json_and_mixed_labels(tmp_path) -> None:
    rows = [{"text": f"word number {i}", "label": i % 2} for i in range(60)] + [
        {"text": "one more", "label": "1"}
    ]
    path = tmp_path / "reviews.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    assert found(path, "label 1 is a string in some rows").remedy


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def test_the_command_prints_and_writes_what_it_found(tmp_path) -> None:
    rows = [*good_rows(), ("\x1b[31mred | <b>text</b>", "Spam"), ("", "ham")]
    path = write(tmp_path / "reviews.csv", rows)
    done = run(path, "--out", tmp_path / "findings.md")
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output
    assert "Problems (" in done.output
    assert "    remedy: " in done.output
    assert "Differences that this design can detect" in done.output
    page = (tmp_path / "findings.md").read_text()
    assert "## Problems" in page
    assert "<b>" not in page


def test_bad_input_is_refused_in_one_line(tmp_path) -> None:
    for arguments, message in (
        ([tmp_path / "none.csv"], "no such file"),
        ([write(tmp_path / "a.csv", [("x", "y")], ("words", "label"))], "no column is obviously the text"),
        ([write(tmp_path / "b.csv", [("", "y")])], "no row has a text and a label"),
    ):
        done = run(*arguments)
        assert isinstance(done.exception, UserError)
        assert message in str(done.exception)


def test_scripts() -> None:
    assert script_of("hello привет") == "Cyrillic"
    assert script_of("漢字") == "Cjk"
    assert script_of("123 !") == ""
