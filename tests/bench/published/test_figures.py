"""The tables that ship with the project, one's own as TOML or CSV, and what is refused."""

from decimal import Decimal
from pathlib import Path

import pytest

from bench.published.figures import FigureTable
from bench.published.judged import judged_tables, read_table, single_run_table
from bench.published.table import load_table
from gptcore.errors import UserError

TOML = """
title = "mine"
source = "here"
seeds = 1
against = "a"
[columns]
test = { name = "test accuracy", metric = "accuracy", n = 300 }
[rows]
a = { figures = { test = 95.00 } }
b = { figures = { test = 96.67 } }
[[claim]]
id = "1"
text = "b is better"
row = "b"
against = "a"
direction = "better"
"""
CSV = "row,figure,n\na,95.00,300\nb,96.67,300\n"


def write(folder: Path, text: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_every_table_can_be_read_and_says_where_it_is_from() -> None:
    names = judged_tables()
    assert {"llms_from_scratch", "imdb", "peft_method_comparison", "lora_roberta"} <= set(names)
    for name, title in names.items():
        table = read_table(name)
        assert (table.title, bool(table.source)) == (title, True)


def test_the_eight_rows_of_imdb() -> None:
    table = read_table("imdb")
    assert len(table.rows) == 8
    assert table.columns["table"].n == 10_000
    assert table.rows["modernbert-large"].figures["table"] == Decimal("95.07")
    assert table.compared == ["table"]


def test_single_runs_are_the_same_figures_and_claims_on_accuracy() -> None:
    source, table = load_table("llms_from_scratch"), read_table("llms_from_scratch")
    assert single_run_table("llms_from_scratch") is source
    assert single_run_table("imdb") is None
    for name, row in source.rows.items():
        figures = {"train": row.train_acc, "validation": row.val_acc, "test": row.test_acc}
        assert {key: float(value) for key, value in table.rows[name].figures.items()} == figures
        assert str(table.rows[name].figures["test"]) == f"{row.test_acc:.2f}"
    assert [claim.id for claim in table.claims] == [claim.id for claim in source.of_accuracy]


def test_figures_keep_their_digits(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, TOML))
    assert str(table.rows["a"].figures["test"]) == "95.00"
    assert str(read_table(write(tmp_path, CSV, "mine.csv")).rows["a"].figures["test"]) == "95.00"


def test_a_csv_file_is_compared_with_its_first_row(tmp_path: Path) -> None:
    text = "row,column,metric,figure,n,seeds,scatter\na,x,error,5.0,unknown,5,0.3\nb,x,error,6.0,unknown,5,\n"
    table = read_table(write(tmp_path, text, "mine.csv"))
    assert (table.against, table.title, table.columns["x"].metric) == ("a", "mine", "error")
    assert table.runs_of("b") == 5
    assert table.rows["a"].scatter == {"x": Decimal("0.3")}
    assert table.rows["b"].scatter == {}
    assert table.columns["x"].of_items is None
    assert table.against_row("b").against == "b"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "n = 300",
            "n = 0",
            r"columns\.test\.n = 0: give the number of test items, 1 to 1,000,000,000, or 'unknown'",
        ),
        ("n = 300", "n = 300, also_n = [0]", r"also_n = \[0\]: .*give numbers of test items of at least 1"),
        ("n = 300", f"n = {'9' * 5000}", r"is not valid TOML"),
        ("n = 300", "n = true", r"columns\.test\.n = True: give the number"),
        (", n = 300", "", r'columns\.test\.n is missing: give the number of test items, or n = "unknown"'),
        ("seeds = 1\n", "", r"seeds is missing: give the number of runs"),
        ("seeds = 1\n", "seeds = 0\n", r"seeds = 0: give the number of runs behind each figure, 1 to"),
        ('source = "here"\n', "", r"source is missing: say where the figures stand"),
        ("96.67", "196.67", r"rows\.b\.figures\.test = 196\.67: give the accuracy in percent, 0 to 100"),
        ("96.67", "nan", r"rows\.b\.figures\.test"),
        ("96.67", "-1", r"rows\.b\.figures\.test = -1: give the accuracy in percent, 0 to 100"),
        ('row = "b"', 'row = "bb"', r"claim 1: row = 'bb': no such row; did you mean b\?"),
        ('against = "a"\ndir', 'against = "c"\ndir', r"claim 1: against = 'c': no such row"),
        (
            'seeds = 1\nagainst = "a"',
            'seeds = 1\nagainst = "x"',
            r"against = 'x': no such row; known are a, b",
        ),
        (
            "b = { figures = { test",
            "b = { figures = { tset",
            r"rows\.b\.figures = 'tset': no such column; did you",
        ),
        ('direction = "better"', 'direction = "best"', r"claim\.0\.direction = 'best'"),
        (
            "seeds = 1\n",
            "seeds = 1\ncolour = 3\n",
            r"unknown field 'colour'; known fields: title, source, .*, claim, erratum",
        ),
        ("96.67", "1e-30", r"rows\.b\.figures\.test: give at most 15 digits behind the point"),
        ("title =", "title", r"is not valid TOML"),
        (
            "b = { figures",
            "b = { scatter = { test = 0.1 }, figures2",
            r"'rows\.b\.figures2'; known fields: figures, scatter, seeds",
        ),
        ('id = "1"', 'id = "1"\nrows = 1', r"unknown field 'claim\.0\.rows'; known fields: id, text, row"),
        (
            "b = {",
            "b = { scatter = { test = -0.1 },",
            r"rows\.b\.scatter\.test = -0\.1: give the standard deviation",
        ),
        (
            'id = "1"',
            'id = "1"\nours = ["all-layers"]',
            r"claim\.0\.ours = .*give the names of two rows, or two",
        ),
        (
            'id = "1"',
            'id = "1"\nours = ["lora", { train = "all" }]',
            r"give the names of two rows, or two recipes",
        ),
        ('id = "1"', 'id = "1"\nours = [{ train = "all" }, { train = "al" }]', r"ours = .*train = 'al'"),
        (
            'id = "1"',
            'id = "1"\nours = [{ train = "all" }, { tran = "x" }]',
            r"ours = .*unknown field 'tran'",
        ),
    ],
)
def test_a_bad_table_is_one_line_with_field_and_remedy(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in TOML
    with pytest.raises(UserError, match=message) as refused:
        read_table(write(tmp_path, TOML.replace(old, new, 1)))
    assert "\n" not in str(refused.value)
    assert "mine.toml" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("row,figure\na,1\n", r"no column 'n': the first line must name row, figure, n"),
        ("", r"no column 'row'"),
        ("row,figure,n\n", r"no rows: add a line with row, figure, n for each"),
        ("row,figure,n,x\na,1,1,1\n", r"unknown column 'x'; known: row, figure, n, column"),
        ("row,figure,n\na,95.00,0\n", r"line 2: n = '0': give the number of test items, or n = \"unknown\""),
        ("row,figure,n\na,95.00,\n", r"line 2: n = '': give the number of test items"),
        (f"row,figure,n\na,95,{'9' * 5000}\n", r"line 2: n = '9+': give the number of test items"),
        ("row,figure,n,n\na,95,300,300\n", r"column 'n' stands twice"),
        (f"row,figure,n\n{'a' * 200_000},95,300\n", r"not a CSV file \(field larger than"),
        ("row,figure,n\na,high,300\n", r"line 2: figure = 'high': give a number of percent"),
        ("row,figure,n\na,101,300\n", r"rows\.a\.figures\.test = 101: give the accuracy in percent"),
        ("row,figure,n\na,95\n", r"line 2: 3 values are needed"),
        ("row,figure,n\na,95,300,1\n", r"line 2: 3 values are needed"),
        ("row,figure,n\na,95,300\nb,95,200\n", r"line 3: column 'test' has another n or metric above"),
        ("row,figure,n\na,95,300\na,96,300\n", r"line 3: row 'a' has a figure for 'test' above"),
        ("row,figure,n\n,95,300\n", r"line 2: row is empty"),
        ("row,figure,n,seeds\na,95,300,two\n", r"line 2: seeds = 'two': give the number of runs"),
    ],
)
def test_a_bad_csv_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        read_table(write(tmp_path, text, "mine.csv"))
    assert "\n" not in str(refused.value)


def test_an_unknown_name_a_missing_file_and_a_file_in_another_code(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"table 'imdbb': neither a .* did you mean imdb\?"):
        read_table("imdbb")
    with pytest.raises(UserError, match="no such file; give a table's file"):
        read_table(str(tmp_path / "none.csv"))
    with pytest.raises(UserError, match="no such file"):
        read_table("../x.toml")
    (tmp_path / "latin.csv").write_bytes("row,figure,n\nä,1,1\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"is not UTF-8 text \(byte 13\): save it as UTF-8"):
        read_table(str(tmp_path / "latin.csv"))


def test_the_rows_of_ours_that_ask_a_claim_are_pairs(tmp_path: Path) -> None:
    one, other = {"train": "lora"}, {"train": "all"}
    for ours, expected in {
        '["a", "b"]': [("a", "b")],
        '[{ train = "lora" }, { train = "all" }]': [(one, other)],
        '[["a", "b"], [{ train = "lora" }, { train = "all" }]]': [("a", "b"), (one, other)],
    }.items():
        table = read_table(write(tmp_path, TOML + f"ours = {ours}\n"))
        assert table.claims[0].ours == table.against_row("b").claims[0].ours == expected


def test_claims_have_numbers_of_their_own() -> None:
    raw = read_table("lora_roberta").model_dump(by_alias=True)
    raw["claim"] = [raw["claim"][0], raw["claim"][0]]
    with pytest.raises(ValueError, match=r"claim\.id = '1' stands twice"):
        FigureTable.model_validate(raw)
