"""Bad files of labelled texts: `check` reports or refuses them, the commands that train refuse them, in one line each.

Doubtful ones are read, with a warning.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer import Typer

from bench.cli import app as bench
from gptcore.cli import app as gptcore
from gptcore.commands.main import run_app

ROWS = [f"text {i} of many words,{'ab'[i % 2]}" for i in range(12)]
NESTED = [{"text": f"text {i}", "label": {"is": "ab"[i % 2]}} for i in range(40)]

# Name -> (file name, content, options, what the line of the others says, what `check` says)
REFUSED: dict[str, tuple[str, bytes, list[str], str, str]] = {
    "wrong column": (
        *("a.csv", "\n".join(["text,label", *ROWS]).encode(), ["--text-column", "txet"]),
        *("no column 'txet': did you mean 'text'?", "no column 'txet': did you mean 'text'?"),
    ),
    "no column": (
        *("a.csv", "\n".join(["words,kind", *ROWS]).encode(), []),
        *("no column is obviously the text: name", "no column is obviously the text: name"),
    ),
    "one class": (
        *("a.csv", ("text,label\n" + "".join(f"text {i},a\n" for i in range(40))).encode(), []),
        *("all 40 rows have the label 'a'", "every row has the label 'a'"),
    ),
    "another encoding": (
        *("a.csv", "\n".join(["text,label", *ROWS, "café crème,a"]).encode("latin-1"), []),
        *("is not UTF-8", "is not UTF-8"),
    ),
    "more classes than rows can have": (
        *("a.csv", ("text,label\n" + "".join(f"text {i},id{i}\n" for i in range(40))).encode(), []),
        *("has 1 of the 3 rows that train, validation and test need", "40 classes for 40 rows"),
    ),
    "missing labels": (
        *("a.jsonl", b'{"text": "one", "label": null}\n{"text": "two", "label": NaN}\n' * 9, []),
        *("line 1: the label is missing (and 17 more like it)", "no row has a text and a label"),
    ),
    "nested JSON": (
        *("a.jsonl", "\n".join(map(json.dumps, NESTED)).encode(), []),
        *("line 1: the label is neither a string nor a number", "no row has a text and a label"),
    ),
    "a text that is a list": (
        *("a.jsonl", "\n".join(json.dumps({"text": ["a"], "label": "x"}) for _ in range(9)).encode(), []),
        *("line 1: the text is not a string but list", "no row has a text and a label"),
    ),
    "no rows": (
        "a.csv",
        b"text,label\n",
        [],
        "has no rows below its header",
        "no row has a text and a label",
    ),
    "empty": ("a.csv", b"", [], "a.csv", "a.csv"),
    "truncated JSON": ("a.jsonl", b'{"text": "a", "label": "b"', [], "line 1", "line 1"),
}
Run = Callable[[Typer, list[str]], tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    def call(app: Typer, words: list[str]) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["program", *words])
        monkeypatch.chdir(tmp_path)
        code: object = 0
        try:
            run_app(app)
        except SystemExit as end:
            code = end.code
        found = capsys.readouterr()
        return int(str(code or 0)), found.out, found.err

    return call


def commands(options: list[str]) -> dict[str, tuple[Typer, list[str]]]:
    return {
        "check": (bench, ["check", "{}", *options]),
        "plan": (bench, ["plan", "--data", "{}", "--matrix", "quick", "--models", "nano", *options]),
        "recommend": (bench, ["recommend", "{}", "--models", "nano", *options]),
        "fit": (gptcore, ["fit", "{}", "--recipe", "tfidf", "--out", "mine", *options]),
    }


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("command", ["check", "plan", "recommend", "fit"])
def test_a_bad_file_is_one_line(run: Run, tmp_path: Path, command: str, name: str) -> None:
    file, content, options, refusal, finding = REFUSED[name]
    (tmp_path / file).write_bytes(content)
    app, words = commands(options)[command]
    code, out, err = run(app, [word.format(file) for word in words])
    assert "Traceback" not in out + err
    if command == "check" and code == 0:  # it lists what it finds in a file that can be read
        assert finding in out
        return
    assert code == 2, out
    line = err.splitlines()[-1]  # `check` tells its progress before
    assert line.startswith("error: ")
    assert (finding if command == "check" else refusal) in line
    assert [each for each in err.splitlines() if each.startswith("error")] == [line]
    assert sorted(path.name for path in tmp_path.iterdir()) == [file]  # nothing half-written


# Name -> (file name, content, what is said of it)
WARNED: dict[str, tuple[str, bytes, str]] = {
    "12 rows": ("a.csv", "\n".join(["text,label", *ROWS]).encode(), "fewer than 10"),
    "labels like floats": (
        *("a.csv", ("text,label\n" + "".join(f"text {i},{i % 7 / 2}\n" for i in range(70))).encode()),
        "the labels look like scores",
    ),
    "labels like booleans": (
        "a.jsonl",
        "\n".join(
            json.dumps({"text": f"text {i}", "label": True if i % 2 else "true" if i == 4 else False})
            for i in range(60)
        ).encode(),
        "label true is a string in some rows",
    ),
    "the class nan": (
        *(
            "a.csv",
            ("text,label\n" + "".join(f"text {i},{['nan', 'b', 'c'][i % 3]}\n" for i in range(24))).encode(),
        ),
        "have fewer than 10",
    ),
}


@pytest.mark.parametrize("name", WARNED)
@pytest.mark.parametrize("command", ["check", "plan", "fit"])
def test_a_doubtful_file_is_read_with_a_warning(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    # Neither another process nor real steps for a forecast: what is said of the data comes before
    monkeypatch.setattr("gptcore.product.folder.verify_folder", lambda _folder, texts, *_: len(texts))
    monkeypatch.setattr("bench.commands.progress.forecast", lambda *_: ())
    monkeypatch.setattr("bench.commands.progress.show_plan", lambda *_: None)
    file, content, said = WARNED[name]
    (tmp_path / file).write_bytes(content)
    app, words = commands([])[command]
    code, out, err = run(app, [word.format(file) for word in words])
    assert code == 0, err
    assert said in " ".join((out + err).split())
    assert "Traceback" not in out + err
