"""A user's own files: everything verbatim, and for everything wrong an error that names the place."""

import csv
import gzip
import json
import string
import sys

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptcore.data.checks import is_blank
from gptcore.data.options import ReadOptions
from gptcore.data.tables import read_table
from gptcore.errors import UserError

ROWS = [
    ("a,b", "x"),
    ('say "hi"', "y"),
    ("two\nlines", "NA"),
    ("null", "x"),
    (" spaced ", "None"),
    ("NA", "1"),
]
TEXTS, LABELS = [text for text, _ in ROWS], [label for _, label in ROWS]


def write_csv(path, rows, header=("text", "label"), **dialect):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, **dialect).writerows([header, *rows])
    return path


def write_jsonl(path, rows):
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_parquet(path, texts, labels):
    pa.parquet.write_table(pa.table({"text": texts, "label": labels}), path)
    return path


def refused(path, content, match, **columns):
    """Write `content`, expect a one-line UserError that names the file and matches."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=match) as caught:
        read_table(path, ReadOptions(**columns))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("a.csv", {}),
        ("a.csv", {"lineterminator": "\n", "quoting": csv.QUOTE_ALL}),
        ("a.CSV", {"lineterminator": "\r", "quoting": csv.QUOTE_ALL}),
        ("a.tsv", {"delimiter": "\t"}),
    ],
)
def test_delimited_files_are_read_verbatim(tmp_path, name, dialect):
    table = read_table(write_csv(tmp_path / name, ROWS, **dialect))
    assert (table.texts, table.labels) == (TEXTS, LABELS)
    assert table.notes == ("1 text holds line breaks, the first at line 4",)


def test_jsonl_is_read_verbatim(tmp_path):
    rows = [*ROWS, ("line\u2028separator \ud83d\ude00", "é")]
    table = read_table(write_jsonl(tmp_path / "a.jsonl", rows))
    assert (table.texts, table.labels) == (
        [t for t, _ in rows[:-1]] + ["line\u2028separator 😀"],
        [*LABELS, "é"],
    )


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tsv.gz", "a.ndjson.gz"])
def test_gzipped_files(tmp_path, name):
    plain = tmp_path / "plain"
    if "json" in name:
        write_jsonl(plain, ROWS)
    else:
        write_csv(plain, ROWS, delimiter="\t" if "tsv" in name else ",")
    (tmp_path / name).write_bytes(gzip.compress(plain.read_bytes()))
    assert read_table(tmp_path / name).texts == TEXTS


def test_parquet(tmp_path):
    table = read_table(write_parquet(tmp_path / "a.parquet", TEXTS, LABELS))
    assert (table.texts, table.labels) == (TEXTS, LABELS)
    encoded = pa.array(LABELS).dictionary_encode()
    assert read_table(write_parquet(tmp_path / "b.parquet", pa.array(TEXTS), encoded)).labels == LABELS


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    path = write_parquet(tmp_path / "a.parquet", TEXTS, LABELS)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match="pip install pyarrow"):
        read_table(path)


def test_labels_that_are_not_strings(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [("t", 0), ("t", -3), ("t", True), ("t", 1.5)])
    assert read_table(path).labels == ["0", "-3", "true", "1.5"]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_bytes("text,label\r\nü,x\r\n".encode("utf-8-sig"))
    assert read_table(path).texts == ["ü"]


def test_a_text_longer_than_the_csv_modules_limit(tmp_path):
    before = csv.field_size_limit()
    assert read_table(write_csv(tmp_path / "a.csv", [("x" * 200_000, "y")])).texts == ["x" * 200_000]
    assert csv.field_size_limit() == before


def test_columns_are_named_or_obvious(tmp_path):
    path = write_csv(
        tmp_path / "a.csv", [("1", "t", "x", "u")], header=("id", " Sentence", "Category", "extra")
    )
    assert (read_table(path).texts, read_table(path).labels) == (["t"], ["x"])
    assert read_table(path, ReadOptions(text_column="extra")).texts == ["u"]
    assert read_table(path, ReadOptions(label_column="id")).labels == ["1"]


@pytest.mark.parametrize(
    ("header", "columns", "match"),
    [
        ("a,label", {}, "no column is obviously the text: .*--text-column.*'a', 'label'"),
        ("text,b", {}, "no column is obviously the label: .*--label-column.*'text', 'b'"),
        ("text,body,label", {}, "more than one column is obviously the text"),
        (
            "text,label",
            {"text_column": "Text"},
            "no column 'Text': did you mean 'text'[?] name .*'text', 'label'",
        ),
        (
            "text,label",
            {"label_column": "lable"},
            "no column 'lable': did you mean 'label'[?] name the label",
        ),
        ("text,label", {"label_column": "zzz"}, "no column 'zzz': name the label column"),
        (" Body ,label", {"text_column": "title,boddy"}, "no column 'title': name"),
        (" Body ,label", {"text_column": "boddy"}, "no column 'boddy': did you mean ' Body '[?]"),
        ("text,text,label", {"text_column": "text"}, "more than one column 'text'"),
        ("text,label", {"label_column": "text"}, "'text' is named for both"),
        ("text:label", {}, "only one: .*--separator.*--no-header"),
        (f"{'x' * 50},label", {}, f"'{'x' * 39}…', 'label'"),
    ],
)
def test_columns_that_cannot_be_chosen(tmp_path, header, columns, match):
    refused(tmp_path / "a.csv", f"{header}\n1,2,3\n", match, **columns)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"\n \r\n", "is empty"),
        (b"text,label\n", "no rows below its header"),
        (b"text,label\na,x\n\n\n  ,x\n,y\n", r"line 5: the text is empty \(and 1 more like it\): fix or"),
        (b'text,label\n"a\nb",x\nc,\n', "line 4: the label is missing: fix or"),
        (
            b"text,label\na,x\nb,y,z\nc\n",
            r"line 3: 3 fields where the header has 2 \(and 1 more like it\): put a field that holds the sep",
        ),
        (b'text,label\na,x\n"b" c,y\n', "line 3: .*twice"),
        (b'text,label\na,x\n"never closed,y\nd,e\n', "line 3: unexpected end of data"),
        (b"text,label\na,x\ncaf\xe9,y\n", r"line 3: byte 18 \(0xe9\) is not UTF-8: name .* with --encoding"),
        (b"text,label\na,x\nb\n", "line 3: 1 field where the header has 2: complete the row"),
        ("text,label\na,x\n".encode("utf-16-le"), "add --encoding utf-16-le"),
    ],
)
def test_bad_csv(tmp_path, content, match):
    refused(tmp_path / "a.csv", content, match)


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("{", "line 3: not JSON"),
        ("[" * 100_000, "line 3: not JSON"),
        ("[1]", "line 3: not a JSON object"),
        ('{"text": "t"}', "line 3: the label is missing"),
        ('{"text": "t", "label": NaN}', "line 3: the label is missing"),
        ('{"text": "t", "label": ["x"]}', "line 3: the label is neither a string nor a number"),
        ('{"text": null, "label": "x"}', "line 3: the text is empty"),
        ('{"text": 5, "label": "x"}', "line 3: the text is not a string but int"),
        ('{"text": "\\ud800", "label": "x"}', "line 3: the text holds a lone surrogate"),
        ('{"text": "t", "label": "\\ud800"}', "line 3: the label holds a lone surrogate"),
    ],
)
def test_bad_jsonl(tmp_path, line, match):
    refused(tmp_path / "a.jsonl", '{"text": "t", "label": "x"}\n\n' + line + "\n", match)


def test_bad_parquet(tmp_path):
    refused(tmp_path / "a.parquet", b"PAR1 not really", "not a Parquet file that can be read")
    refused(tmp_path / "a.parquet", b"", "not a Parquet file that can be read")
    path = write_parquet(tmp_path / "b.parquet", ["a", None, None], [1, 2, 3])
    with pytest.raises(UserError, match=r"row 2: the text is empty \(and 1 more"):
        read_table(path)
    path = write_parquet(tmp_path / "c.parquet", ["a", "b"], [1, None])
    with pytest.raises(UserError, match="row 2: the label is missing"):
        read_table(path)


def test_files_that_are_not_there_or_of_no_known_kind(tmp_path):
    with pytest.raises(UserError, match=r"gone\.csv: no such file"):
        read_table(tmp_path / "gone.csv")
    with pytest.raises(UserError, match="is a folder"):
        read_table(tmp_path)
    refused(tmp_path / "a.html", b"<p>", "cannot tell the format: .*csv, .*parquet.*--separator")
    refused(tmp_path / "a.xlsx", b"PK", "is an Excel workbook: save its sheet")
    refused(tmp_path / "a.csv.gz", b"text,label\n", "is not a whole gzip file")
    refused(tmp_path / "b.csv.gz", gzip.compress(b"text,label\na,x\n" * 99)[:-20], "is not a whole gzip file")


usable = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: not is_blank(text))


@given(rows=st.lists(st.tuples(usable, usable), min_size=1))
def test_any_text_survives_the_round_trip(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("tables")
    for path in (
        write_csv(folder / "a.csv", rows, quoting=csv.QUOTE_ALL),
        write_jsonl(folder / "a.jsonl", rows),
    ):
        table = read_table(path)
        assert list(zip(table.texts, table.labels, strict=True)) == rows


alphabet = st.sampled_from([*'",\t\n\r{}[]:\\', "text", "label", "\0", "é", *string.digits])
broken = st.one_of(st.binary(), st.lists(alphabet).map("".join).map(str.encode))


@given(
    content=broken, with_header=st.booleans(), suffix=st.sampled_from([".csv", ".tsv", ".jsonl", ".csv.gz"])
)
def test_arbitrary_bytes_are_read_or_refused(tmp_path_factory, content, with_header, suffix):
    path = tmp_path_factory.mktemp("tables") / f"a{suffix}"
    path.write_bytes((b"text,label\n" if with_header else b"") + content)
    try:
        table = read_table(path)
    except UserError:
        return
    assert len(table.texts) == len(table.labels) > 0
    assert all(text.strip() for text in table.texts + table.labels)
