"""Files as people have them. Each refusal's remedy is followed, and then the file is read."""

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gptcore.data.datasets import load_dataset
from gptcore.data.options import ReadOptions
from gptcore.data.tables import Table, read_table, read_tables
from gptcore.errors import UserError

ROWS = [(f"text number {i}", "ham" if i % 3 else "spam") for i in range(12)]
TEXTS, LABELS = [text for text, _ in ROWS], [label for _, label in ROWS]
OBJECTS = [{"text": text, "label": label} for text, label in ROWS]


def delimited(
    separator: str = ",", header: tuple[str, ...] | None = ("text", "label"), end: str = "\n"
) -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, lineterminator=end)
    writer.writerows([*([header] if header else []), *ROWS])
    return file.getvalue()


def zipped(**files: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return file.getvalue()


def refused(path: Path, match: str, **options: object) -> None:
    with pytest.raises(UserError, match=match) as caught:
        read_tables(path, ReadOptions(**options))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def same(table: Table) -> bool:
    return (table.texts, table.labels) == (TEXTS, LABELS)


# --- formats ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(OBJECTS)),
        ("a.jsonl", json.dumps(OBJECTS)),
        ("a.json", json.dumps(OBJECTS, indent=2)),
        ("a.json", json.dumps({"version": 1, "data": OBJECTS})),
        ("a.json", json.dumps({"data": OBJECTS}, indent=1)),
        ("a.json", "\n".join(map(json.dumps, OBJECTS))),
        ("a.txt", "\n".join(map(json.dumps, OBJECTS))),
        ("a", delimited("\t")),
        ("a.txt", delimited("\t")),
        ("a.csv", delimited(";")),
        ("a.csv", "sep=;\n" + delimited(";")),
        ("a.csv", "sep=|\r\n" + delimited("|")),
    ],
)
def test_formats(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, newline="")
    assert same(read_table(path))


def test_line_numbers_count_the_separator_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("sep=;\ntext;label\na;x\n;y\n")
    refused(path, "line 4: the text is empty")


def test_archives(tmp_path: Path) -> None:
    for name, content in (
        ("a.csv.zip", zipped(a__csv=delimited())),
        ("a.zip", zipped(inner__tsv=delimited("\t"))),
        ("mac.zip", zipped(inner__csv=delimited(), **{"__MACOSX/._inner.csv": "junk"})),
        ("a.json.gz", gzip.compress(json.dumps(OBJECTS).encode())),
    ):
        if name == "mac.zip":
            file = io.BytesIO(content)
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("inner.csv", delimited())
                archive.writestr("__MACOSX/._inner.csv", "junk")
                archive.writestr(".DS_Store", "junk")
            content = file.getvalue()
        (tmp_path / name).write_bytes(content)
        assert same(read_table(tmp_path / name)), name


def test_archives_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.zip"
    path.write_bytes(zipped(a__csv=delimited(), b__csv=delimited()))
    refused(path, r"holds 2 files \('a.csv', 'b.csv' …\): unpack it")
    path.write_bytes(zipped(a__csv=delimited())[:-10])
    refused(path, "is not a zip archive that can be read")
    path = tmp_path / "really.csv"
    path.write_bytes(zipped(a__csv=delimited()))
    refused(path, "is a zip archive: rename it to really.zip")
    assert same(read_table(path.rename(tmp_path / "really.zip")))
    path = tmp_path / "packed.csv"
    path.write_bytes(gzip.compress(delimited().encode()))
    refused(path, "is gzip-compressed: rename it to packed.csv.gz")
    assert same(read_table(path.rename(tmp_path / "packed.csv.gz")))


def test_what_else_a_file_may_be(tmp_path: Path) -> None:
    workbook = zipped(**{"[Content_Types]__xml": "<Types/>", "xl/workbook__xml": "<workbook/>"})
    for name in ("book.xlsx", "book.csv", "book.zip"):
        (tmp_path / name).write_bytes(workbook)
        refused(tmp_path / name, "is an Excel workbook: save its sheet from Excel as 'CSV UTF-8'")
    (tmp_path / "a.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(50))
    refused(tmp_path / "a.xls", "is an Excel workbook")
    (tmp_path / "a.parquet").write_text("version https://git-lfs.github.com/spec/v1\n")
    refused(tmp_path / "a.parquet", "is a Git LFS pointer .*git lfs pull")
    pa.parquet.write_table(pa.table({"text": TEXTS, "label": LABELS}), tmp_path / "b.csv")
    refused(tmp_path / "b.csv", "is a Parquet file: rename it to b.parquet")
    assert same(read_table((tmp_path / "b.csv").rename(tmp_path / "b.parquet")))
    (tmp_path / "b.parquet").rename(tmp_path / "b")
    assert same(read_table(tmp_path / "b"))


def test_an_unknown_suffix_needs_a_separator(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    path.write_text(delimited())
    refused(path, "cannot tell the format.*--separator")
    assert same(read_table(path, ReadOptions(separator=",")))


def test_fasttext_is_named_with_a_command_that_works(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"__label__{label} {text}\n" for text, label in ROWS))
    refused(path, r"is in fastText's format: .*sed 's/\^__label__")
    turned = [line.removeprefix("__label__").replace(" ", "\t", 1) for line in path.read_text().splitlines()]
    (tmp_path / "a.tsv").write_text("\n".join(turned))  # what the command writes
    assert same(read_table(tmp_path / "a.tsv"))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("[1, 2]", "row 1: not a JSON object: write one object a line, or an array of objects"),
        ("[]", "has no rows"),
        (
            '{\n"text": {"0": "a"}, "label": {"0": "x"}}',
            "one JSON object without an array of rows.*orient='records'",
        ),
        ('[{"text": "a", "label": "x"},', "not JSON"),
        ('{"text": "a", "label": "x", "text": "b"}', "line 1: .*the key 'text' stands twice"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_json_that_is_refused(tmp_path: Path, content: str, match: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    refused(path, match)


# --- encodings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_believed(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(delimited().encode(encoding))
    assert same(read_table(path))


def test_the_remedies_for_an_encoding_work(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\ncafé,x\n".encode("latin-1"))
    refused(path, "is not UTF-8: name the file's encoding with --encoding .*latin-1")
    assert read_table(path, ReadOptions(encoding="latin-1")).texts == ["café"]
    refused(path, "is not ASCII: name", encoding="ascii")
    path.write_bytes("text,label\ncafé,x\n".encode("utf-16-le"))
    refused(path, "--encoding utf-16-le")
    assert read_table(path, ReadOptions(encoding="utf-16-le")).texts == ["café"]


@pytest.mark.parametrize("encoding", ["utf-9", "rot13", "base64", "", "a\0b", "undefined"])
def test_unknown_encodings(encoding: str) -> None:
    with pytest.raises(UserError, match=r"--encoding .*use one such as utf-8"):
        ReadOptions(encoding=encoding)


@pytest.mark.parametrize("separator", ["", ",,", '"', "\n", "\0", "tabs"])
def test_impossible_separators(separator: str) -> None:
    with pytest.raises(UserError, match=r"--separator .*give one character such as ';', or tab"):
        ReadOptions(separator=separator)


# --- known files, headers, columns -----------------------------------------------------------------------


def test_the_original_uci_file(tmp_path: Path) -> None:
    lines = [f"{label}\t{text}" for text, label in ROWS]
    lines[3] = 'ham\t"Late again, he said.'
    lines[7] = 'ham\tThe screen is 15"'
    for name in ("SMSSpamCollection", "a.txt", "a.tsv"):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        table = read_table(tmp_path / name)
        assert len(table.texts) == len(ROWS)
        assert (table.texts[3], table.labels[3]) == ('"Late again, he said.', "ham")
        assert set(table.labels) == {"ham", "spam"}
        assert "quotes are read as text" in table.notes[0]
        assert "first line is read as a row" in table.notes[1]


def test_kaggles_spam_csv(tmp_path: Path) -> None:
    rows = [[label, text + " £1", "", "", ""] for text, label in ROWS]
    rows[2] = [rows[2][0], "first part", " second part", ' 3"', ""]
    rows[5] = [rows[5][0], "first part", "", "third part", ""]
    file = io.StringIO()
    csv.writer(file).writerows([["v1", "v2", "", "", ""], *rows])
    (tmp_path / "spam.csv").write_bytes(file.getvalue().encode("latin-1"))
    table = read_table(tmp_path / "spam.csv")
    assert table.labels == LABELS
    assert table.texts[0] == TEXTS[0] + " £1"
    assert table.texts[2] == 'first part, second part, 3"'
    assert table.texts[5] == "first part,,third part"
    assert table.notes == (
        "spam.csv is not UTF-8: read as latin-1",
        "2 rows run over into columns without a name: joined to the text with ','",
    )


def test_a_text_that_runs_over_elsewhere_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label,\n" + "a,x,\n" * 5 + "b, and more,y\n")
    (warning,) = read_table(path).warnings
    assert warning.startswith("1 row holds something in a column without a name, which is not read")


def test_an_index_column_without_a_name_is_only_an_index(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(",text,label\n0,a,x\n1,b,y\n")
    table = read_table(path)
    assert (table.texts, table.notes, table.warnings) == (["a", "b"], (), ())


def test_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('0,1000,NO_QUERY,"so, sad"\n4,1001,NO_QUERY,happy\n')
    refused(path, "no column is obviously the text: .*add --no-header and name columns by number from 1")
    refused(path, "the columns are '1', '2', '3', '4': the first row is 1 = '0'", header=False)
    table = read_table(path, ReadOptions(header=False, text_column="4", label_column="1"))
    assert (table.texts, table.labels) == (["so, sad", "happy"], ["0", "4"])
    assert table.notes == ("columns not used: '2', '3'",)


def test_two_columns_without_a_header_need_no_names(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(delimited(header=None))
    assert same(read_table(path))
    assert same(read_table(path, ReadOptions(header=False)))
    path.write_text(delimited(header=("one", "two")))  # a header: neither stands below again
    refused(path, "no column is obviously the text")


def test_the_separator_remedy_works(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(delimited(":"))
    refused(path, r"only one: name the separator with --separator")
    assert same(read_table(path, ReadOptions(separator=":")))


def test_columns_are_joined_without_empty_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('title,body,label,"a,b"\nT,B,x,1\n,B2,y,2\nT3, ,y,3\n')
    table = read_table(path, ReadOptions(text_column="title,body"))
    assert table.texts == ["T\nB", "B2", "T3"]
    assert table.notes == ("columns not used: 'a,b'",)  # the joints are no line breaks of the file
    assert read_table(path, ReadOptions(text_column="body, title")).texts[0] == "B\nT"
    assert read_table(path, ReadOptions(text_column="a,b")).texts == ["1", "2", "3"]
    refused(path, "no column 'boddy'", text_column="title,boddy")
    refused(path, "a column is named twice", text_column="title,title")
    refused(path, "'label' is named for both", text_column="title,label")
    path.write_text("title,body,label\n,,x\n")
    refused(path, "line 2: the text is empty", text_column="title,body")


def test_joined_json_cells_must_be_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "t", "b": null, "label": 1}\n')
    assert read_table(path, ReadOptions(text_column="a,b")).texts == ["t"]
    path.write_text('{"a": "t", "b": 5, "label": 1}\n')
    refused(path, "the text is not a string but int", text_column="a,b")


# --- quotes ----------------------------------------------------------------------------------------------


def test_tsv_quotes_that_swallow_rows_are_text(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('label\ttext\nham\t"never\n' + "spam\tmiddle\n" * 5 + 'ham\tclosed"\n')
    table = read_table(path)
    assert table.texts == ['"never', *["middle"] * 5, 'closed"']
    assert "quotes are read as text" in table.notes[0]


def test_tsv_quotes_that_are_quoting_stay_so(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('label\ttext\nham\t"say ""hi"""\nham\t"two\nlines"\n')
    assert read_table(path).texts == ['say "hi"', "two\nlines"]


def test_tsv_that_fits_in_neither_way(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('label\ttext\nham\t"a" b\nham\tc\td\n')
    refused(path, "line 2: .*; nor do double quotes fit as text \\(line 3 has 3 fields, the first 2\\)")


def test_a_text_of_many_lines_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,label\nfine,ham\n"never,ham\n' + "middle,spam\n" * 9 + 'closed",ham\n')
    (warning,) = read_table(path).warnings
    assert warning.startswith("the text at line 3 spans 11 lines of the file: does a double quote open there")
    path.write_text('text,label\n"a\nb\nc\nd\ne",ham\n')
    assert read_table(path).warnings == ()


# --- labels ----------------------------------------------------------------------------------------------


def class_label_file(path: Path, labels: list[int], names: list[str]) -> Path:
    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": names, "_type": "ClassLabel"},
    }
    schema = pa.schema(
        [("text", pa.string()), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    pa.parquet.write_table(
        pa.table({"text": [f"t{i}" for i in labels], "label": labels}, schema=schema), path
    )
    return path


def test_class_names_of_a_parquet_file(tmp_path: Path) -> None:
    path = class_label_file(tmp_path / "a.parquet", [1, 0, 1], ["world", "sports"])
    assert read_table(path).labels == ["sports", "world", "sports"]
    assert read_table(path).class_names == ("world", "sports")
    assert read_tables(path, ReadOptions(label_names="a,b")).labels == ["b", "a", "b"]
    class_label_file(path, [1, -1, -1], ["world", "sports"])
    refused(path, "row 2: the label '-1' has no name .*2 of 3 rows.*the hub hides the labels of test parts")
    class_label_file(path, [0, 1], ["same", "same"])
    refused(path, "class names are not all different: give others with --label-names a,b,c")
    assert read_tables(path, ReadOptions(label_names="a,b")).labels == ["a", "b"]


@pytest.mark.parametrize(
    "info", [b"", b"[]", b'{"info": 5}', b'{"info": {"features": {"label": 1}}}', b"\xff"]
)
def test_odd_metadata_is_no_metadata(tmp_path: Path, info: bytes) -> None:
    schema = pa.schema([("text", pa.string()), ("label", pa.int64())], metadata={b"huggingface": info})
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"text": ["a"], "label": [0]}, schema=schema), path)
    assert read_table(path).labels == ["0"]


def test_label_names(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,0\nb,1\nc,1.0\n")
    refused(
        path, "line 4: the label '1.0' has no name in --label-names, which names '0', '1'", label_names="n,p"
    )
    table = read_tables(path, ReadOptions(label_names="0=n,1=p,1.0=p"))
    assert table.labels == ["n", "p", "p"]
    (warning,) = read_tables(path, ReadOptions(label_names="0=n,1=p,1.0=p,2=q")).warnings
    assert warning == "no row has the label '2' that --label-names names"
    for names, match in (
        ("a,,b", "no class name"),
        ("0=a,b", "no class name"),
        ("0=a,0=b", "twice"),
        ("a,a", "twice"),
    ):
        refused(path, match, label_names=names)


def test_the_order_of_given_names_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"t{i},{i % 2}\n" for i in range(6)))
    assert load_dataset(path, label_names="world,sports").label_names == ("world", "sports")


# --- fuzzing ---------------------------------------------------------------------------------------------

pieces = st.sampled_from(
    [*'",;\t\n\r{}[]:|=0 ', "text", "label", "sep=", "data", '{"text":"a","label":1}', "\0", "é", "\u200b"]
)
contents = st.binary(max_size=80) | st.lists(pieces, max_size=30).map(lambda found: "".join(found).encode())
names = st.sampled_from(
    ["a", "a.csv", "a.tsv", "a.txt", "a.json", "a.jsonl", "a.parquet", "a.zip", "a.csv.gz"]
)
columns = st.none() | st.sampled_from(["text", "label", "1", "text,label", "text,x", ",", ""])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=contents,
    name=names,
    encoding=st.none()
    | st.sampled_from(["utf-8", "latin-1", "utf-16", "utf-16-le", "utf-7", "cp037", "idna"]),
    separator=st.none() | st.sampled_from([",", ";", "tab", " ", "a", "\x1f", "é"]),
    header=st.booleans(),
    text_column=columns,
    label_column=columns,
    split_column=columns,
    group_column=columns,
    label_names=st.none() | st.sampled_from(["a,b", "0=a", "=,=", "x=y,1=z"]),
    pack=st.booleans(),
)
def test_whatever_is_read_and_however_is_a_table_or_a_line(
    tmp_path: Path, content: bytes, name: str, pack: bool, **options: object
) -> None:
    path = tmp_path / name
    if pack and name.endswith(".gz"):
        content = gzip.compress(content)
    elif pack and name.endswith(".zip"):
        content = zipped(a__csv=content.decode("latin-1"))
    path.write_bytes(content)
    try:
        table = read_tables(path, ReadOptions(**options))  # type: ignore[arg-type]
    except UserError as error:
        table, message = None, str(error)
    if table is None:
        assert "\n" not in message
        return
    assert len(table.texts) == len(table.labels) > 0


def test_a_blank_before_a_quote_is_told(tmp_path: Path) -> None:
    path = tmp_path / "blanks.csv"
    lines = [f'"{text}", "{label}"' for text, label in ROWS]
    path.write_text("\n".join(["text,label", *lines, ""]))
    warnings = load_dataset(path).warnings
    assert any(
        "12 rows have a cell that begins with a blank before a quote, the first at line 2" in w
        for w in warnings
    )


def test_numbers_that_no_float_holds_stay_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    labels = ["1e400", "1e500", "0.1234567890123456781", "0.1234567890123456782", "0.5", "2.50"]
    lines = [f'{{"text": "text {label} {i}", "label": {label}}}' for label in labels for i in range(3)]
    path.write_text("\n".join(lines))
    assert set(read_table(path).labels) == {*labels[:5], "2.5"}


def test_an_infinite_label_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "infinite.jsonl"
    path.write_text("\n".join([*map(json.dumps, OBJECTS), '{"text": "more", "label": Infinity}']))
    refused(path, "line 13: the label is neither a string nor a number")
