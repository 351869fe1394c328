"""A file in, the same file with answers out: nothing lost, nothing changed, whole or not at all."""

import csv
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gptcore import TextClassifier
from gptcore.cli import app
from gptcore.data.options import ReadOptions
from gptcore.errors import UserError
from gptcore.product import stream
from gptcore.product.stream import Request, predict_file

TEXTS = ["win a free prize", 'see "you", at home', "two\nlines", "", "now " * 40, "caf\u00e9 \U0001f600"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def write_csv(path: Path, texts: list[str] = TEXTS, **options: str) -> Path:
    with path.open("w", newline="", encoding=options.pop("encoding", "utf-8")) as file:
        writer = csv.writer(file, **options)
        writer.writerow(["id", "text", "who"])
        writer.writerows([f"{i:03}", text, "NA"] for i, text in enumerate(texts))
    return path


def read_csv(path: Path, **options: str) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, **options))


def test_other_columns_stay_and_three_are_added(spam_filter, tmp_path) -> None:
    done = run(spam_filter, "--file", write_csv(tmp_path / "in.csv"), "--out", tmp_path / "out.csv")
    assert done.exit_code == 0, done.output
    rows = read_csv(tmp_path / "out.csv")
    assert [row["text"] for row in rows] == TEXTS
    assert [row["id"] for row in rows] == ["000", "001", "002", "003", "004", "005"]
    assert {row["who"] for row in rows} == {"NA"}
    classifier = TextClassifier.load(spam_filter)
    expected = [label if text else "" for label, text in zip(classifier.predict(TEXTS), TEXTS, strict=True)]
    assert [row["label"] for row in rows] == expected
    for row, probabilities in zip(rows, classifier.predict_proba(TEXTS), strict=True):
        assert float(row["probability"]) == pytest.approx(probabilities.max() if row["text"] else 0, abs=1e-6)
    assert [row["cut"] for row in rows] == ["false"] * 4 + ["true"] + ["false"]
    assert "1 row has no text" in done.output
    assert (
        "1 text is longer than the 9 tokens of a row and was cut (--long window reads all of it)"
        in done.output
    )
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "out.csv"}


@pytest.mark.parametrize(
    ("suffix", "options", "read"),
    [
        (".csv", {"delimiter": ";"}, ReadOptions(separator=";")),
        (".csv", {"delimiter": ";"}, ReadOptions()),
        (".tsv", {"delimiter": "\t"}, ReadOptions()),
        (".csv", {"encoding": "utf-8-sig"}, ReadOptions()),
        (".csv", {"encoding": "utf-16"}, ReadOptions()),
        (".csv", {"encoding": "cp1252"}, ReadOptions(encoding="cp1252")),
    ],
    ids=str,
)
def test_separators_and_encodings(spam_filter, tmp_path, suffix, options, read) -> None:
    texts = ["win, a; prize", 'the "caf\u00e9"']
    path = write_csv(tmp_path / f"in{suffix}", texts, **options)
    request = Request(spam_filter, path, tmp_path / f"out{suffix}", read)
    assert predict_file(TextClassifier.load(spam_filter), request).rows == 2
    rows = read_csv(request.out, delimiter=options.get("delimiter", ","))
    assert [row["text"] for row in rows] == texts


def test_quotes_that_are_text_stay_so(spam_filter, tmp_path) -> None:
    path = tmp_path / "in.tsv"
    path.write_text('id\ttext\n1\t"win a prize\n2\tsee you\n')
    request = Request(spam_filter, path, tmp_path / "out.tsv")
    predict_file(TextClassifier.load(spam_filter), request)
    lines = request.out.read_text().splitlines()
    assert lines[0] == "id\ttext\tlabel\tprobability\tcut"
    assert lines[1].startswith('1\t"win a prize\t')


def test_without_a_header_there_is_none_after(spam_filter, tmp_path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("7,win a prize\n8,see you\n")
    done = run(spam_filter, "--file", path, "--out", tmp_path / "o.csv", "--no-header", "--text-column", "2")
    assert done.exit_code == 0, done.output
    rows = list(csv.reader((tmp_path / "o.csv").read_text().splitlines()))
    assert [row[:2] for row in rows] == [["7", "win a prize"], ["8", "see you"]]
    assert {len(row) for row in rows} == {5}


def test_json_lines_keep_every_number_as_it_is_written(spam_filter, tmp_path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"n": 1.10, "big": 1e400, "text": "win"}\n\n{"text": null, "n": [1, {"a": 2}]} \n')
    request = Request(spam_filter, path, tmp_path / "out.jsonl")
    assert predict_file(TextClassifier.load(spam_filter), request).blank == 1
    first, second = request.out.read_text().splitlines()
    assert first.startswith('{"n": 1.10, "big": 1e400, "text": "win", "label": ')
    assert json.loads(second)["n"] == [1, {"a": 2}]
    assert json.loads(second)["label"] == ""


def test_it_goes_on_where_it_was_interrupted(spam_filter, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(stream, "ROWS_AT_A_TIME", 4)
    texts = [f"win {i}" if i % 2 else f"see you {i}" for i in range(20)]
    path, classifier = write_csv(tmp_path / "in.csv", texts), TextClassifier.load(spam_filter)
    predict_file(classifier, whole := Request(spam_filter, path, tmp_path / "whole.csv"))
    asked: list[int] = []
    real = stream.answer

    def break_down(*arguments: object) -> object:
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(len(arguments[1]))
        return real(*arguments)

    monkeypatch.setattr(stream, "answer", break_down)
    request = Request(spam_filter, path, tmp_path / "out.csv")
    with pytest.raises(KeyboardInterrupt):
        predict_file(classifier, request)
    assert not request.out.exists()
    with (tmp_path / ".out.csv.part").open("a") as file:
        file.write("half a row")
    told: list[str] = []
    monkeypatch.setattr(stream, "answer", lambda *a: (asked.append(len(a[1])), real(*a))[1])
    counts = predict_file(classifier, request, told.append)
    assert asked == [4] * 5
    assert told[0] == "resuming at row 13 of 20"
    assert counts.rows == sum(counts.labels.values()) == 20
    assert request.out.read_bytes() == whole.out.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "out.csv", "whole.csv"}


def test_what_is_asked_otherwise_begins_anew(spam_filter, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(stream, "ROWS_AT_A_TIME", 2)
    path, classifier = write_csv(tmp_path / "in.csv"), TextClassifier.load(spam_filter)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    request = Request(spam_filter, path, tmp_path / "out.csv")
    with monkeypatch.context() as patched:
        patched.setattr(stream, "_count", stop)
        with pytest.raises(KeyboardInterrupt):
            predict_file(classifier, request)
    told: list[str] = []
    other = Request(spam_filter, path, tmp_path / "out.csv", prefix="my_")
    predict_file(classifier, other, told.append)
    assert not told
    assert "my_label" in read_csv(other.out)[0]


def test_only_one_process_writes(spam_filter, tmp_path) -> None:
    request = Request(spam_filter, write_csv(tmp_path / "in.csv"), tmp_path / "out.csv")
    with (
        stream._held(tmp_path / ".out.csv.part", request.out),
        pytest.raises(UserError, match="another process"),
    ):
        predict_file(TextClassifier.load(spam_filter), request)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,text\n1,a\n2,b,c\n", "line 3: 3 fields where the first line has 2"),
        ('id,text\n1,"a\n', "line 2"),
        ("id,words\n1,a\n", "no column is obviously the text"),
        ("id,text\n", "has no rows"),
        ("", "no column is obviously the text"),
        ("id,text,\n1,a,b\n", "a column without a name stands behind 'text'"),
        ("text,label\na,b\n", "has a column 'label' already: add --prefix"),
        ("text\n\xff\xfe", "is not UTF-8"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(spam_filter, tmp_path, content, message) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=message):
        predict_file(TextClassifier.load(spam_filter), Request(spam_filter, path, tmp_path / "out.csv"))
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a"}\n{"n": 1}\n', "line 2: no key 'text'"),
        ('{"text": "a"}\n[1]\n', "line 2: not a JSON object"),
        ("{}\n", "no column is obviously the text"),
        ('{"text": 5}\n', "line 1: the text is not a string but int"),
    ],
)
def test_json_lines_that_are_wrong(spam_filter, tmp_path, content, message) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        predict_file(TextClassifier.load(spam_filter), Request(spam_filter, path, tmp_path / "out.jsonl"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--file", "in.csv"], "in.csv: name the file to write too, with --out answers.csv"),
        (["in.csv"], "in.csv: name the file to write too, with --out answers.csv"),
        (["win", "--out", "o.csv"], "--out needs a file to read"),
        (
            ["in.csv", "win"],
            "'in.csv' is a file: give one .csv, .tsv, .tab, .jsonl or .ndjson file and no texts",
        ),
        (["in.csv", "--file", "in.csv", "--out", "o.csv"], "'in.csv' is a file: give one"),
        (["in.parquet"], "'in.parquet' is a file: give one"),
        (
            ["nope.csv"],
            "'nope.csv' is named like a file, and there is no such file: .* pipe it into standard input",
        ),
        (["nope.tab"], "'nope.tab' is named like a file"),
        (["win", "--file", "in.csv", "--out", "o.csv"], "not both"),
        (["win", "--prefix", "x"], "need a file of rows"),
        (["win", "--abstain", "0.855"], "use hundredths"),
        (["--file", "in.csv", "--out", "o.tsv"], "answers are written as .csv"),
        (["--file", "in.csv", "--out", "in.csv"], "exists: remove it"),
        (
            ["--file", "in.parquet", "--out", "o.parquet"],
            "^in.parquet: .* must be .csv, .tsv, .tab, .jsonl or",
        ),
        (["--file", "nope.csv", "--out", "o.csv"], "no such file"),
    ],
)
def test_bad_commands_are_refused(spam_filter, tmp_path, monkeypatch, arguments, message) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.parquet").touch()
    write_csv(tmp_path / "in.csv")
    done = run(spam_filter, *arguments)
    assert isinstance(done.exception, UserError)
    assert re.search(message, str(done.exception))
    assert "\n" not in str(done.exception)


def test_a_file_may_stand_where_texts_do(spam_filter, tmp_path) -> None:
    path = write_csv(tmp_path / "in.csv")
    assert run(spam_filter, path, "--out", tmp_path / "a.csv").exit_code == 0
    assert run(spam_filter, "--file", path, "--out", tmp_path / "b.csv").exit_code == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    text = run(spam_filter, "see in.csv")
    assert (text.exit_code, len(text.stdout.splitlines())) == (0, 1)


def test_abstaining_says_what_it_buys(spam_filter, tmp_path) -> None:
    done = run(spam_filter, "win a prize", "--abstain", "0.99")
    assert "validation texts" in done.output
    path = write_csv(tmp_path / "in.csv")
    done = run(spam_filter, "--file", path, "--out", tmp_path / "out.csv", "--abstain", "1")
    assert "5 rows are left to people" in done.output
    assert {row["label"] for row in read_csv(tmp_path / "out.csv")} == {""}


def test_standard_input_is_read_by_lines(spam_filter) -> None:
    done = CliRunner().invoke(app, ["predict", str(spam_filter)], input="win a prize\n\nsee\u2028you\n")
    assert len(done.output.splitlines()) == 3
    assert done.output.splitlines()[1] == "\t0.0000"


@pytest.mark.parametrize("text", ["win a prize " * 40, "win\0prize"])
def test_a_text_that_can_be_no_file_name_is_a_text(spam_filter, text) -> None:
    done = run(spam_filter, text)
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 1


def test_paths_are_checked_before_the_classifier_is_loaded(tmp_path) -> None:
    done = run(tmp_path / "nowhere", "--file", tmp_path / "nope.csv", "--out", tmp_path / "o.csv")
    assert "no such file" in str(done.exception)


@pytest.mark.parametrize("long", ["head", "window"])
def test_a_text_that_is_cut_is_said_on_standard_error(spam_filter, long) -> None:
    texts = ["win a prize " * 40, "see you " * 40, "win"]
    done = run(spam_filter, *texts, "--long", long)
    assert len(done.stdout.splitlines()) == 3
    said = "2 texts are longer than the 9 tokens of a row and were cut (--long window reads all of them)"
    assert (said in done.stderr) == (long == "head")
    read = CliRunner().invoke(app, ["predict", str(spam_filter), "--long", long], input="\n".join(texts))
    assert (said in read.stderr) == (long == "head")
