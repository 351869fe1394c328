"""What is wrong with a command line is one line that names the option, the value and what is allowed."""

import importlib
import logging
import re

import pytest
from typer import Exit, Typer

from bench.cli import app as bench
from gptcore.cli import app as gptcore
from gptcore.commands.main import DOWNLOADERS, run_app
from gptcore.errors import UserError


def run(
    app: Typer, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["program", *words])
    with pytest.raises(SystemExit) as end:
        run_app(app)
    found = capsys.readouterr()
    return int(end.value.code or 0), found.out, found.err


@pytest.mark.parametrize(
    ("app", "words", "said"),
    [
        (bench, ["plan", "--seeds", "0"], "--seeds 0: use 1 or more"),
        (bench, ["plan", "--seeds", "x"], "--seeds x: use a whole number"),
        (bench, ["run", "--margin", "x"], "--margin x: use a number"),
        (bench, ["plan", "--metric", "f1"], "--metric f1: use one of 'accuracy', 'macro-f1', "),
        (bench, ["recommend", "a.csv", "--margin", "99"], "--margin 99: use 50 or less"),
        (bench, ["plan", "--nope"], "No such option: --nope"),
        (bench, ["nope"], "No such command 'nope'"),
        (bench, ["check"], "Missing argument 'file'"),
        (bench, ["check", "a", "b"], "Got unexpected extra argument"),
        (gptcore, ["fit", "a.csv", "--recipe", "nano"], "Missing option '--out'"),
        (gptcore, ["predict", "a", "--abstain", "2"], "--abstain 2: use 1 or less"),
    ],
)
def test_bad_options_are_one_line(app: Typer, words: list[str], said: str, monkeypatch, capsys) -> None:
    code, out, err = run(app, words, monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {said}")
    assert len(err.splitlines()) == 1
    assert err.endswith(" --help\n")


@pytest.mark.parametrize(
    ("app", "words", "name"),
    [
        (bench, ["check", "a.csv", "--out", ""], "--out"),
        (bench, ["run", "--out="], "--out"),
        (bench, ["plan", "--test", "b.csv", "--validation", ""], "--validation"),
        (bench, ["compare", "a", ""], "studies"),
        (gptcore, ["fit", "a.csv", "--recipe", "nano", "--out", ""], "--out"),
        (gptcore, ["predict", ""], "folder"),
        (gptcore, ["probe-padding", "a", "--texts", "b.csv", "--out", ""], "--out"),
    ],
)
def test_an_empty_path_is_not_the_current_folder(
    app: Typer, words: list[str], name: str, monkeypatch, capsys
) -> None:
    code, out, err = run(app, words, monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert err == f"error: {name} '': name a path; the current folder is .\n"


@pytest.mark.parametrize(
    ("app", "words", "name"),
    [
        (gptcore, ["fit", "a.csv", "--recipe", "", "--out", "b"], "--recipe"),  # not best.toml of this folder
        (bench, ["run", "--data", ""], "--data"),
        (bench, ["plan", "--only", "lora", "--set="], "--set"),
    ],
)
def test_an_option_without_a_value_is_refused(
    app: Typer, words: list[str], name: str, monkeypatch, capsys
) -> None:
    code, out, err = run(app, words, monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert err == f"error: {name} '': give a value, or leave the option out\n"


@pytest.fixture
def app() -> Typer:
    made = Typer(add_completion=False, no_args_is_help=True, help="Does this.")

    @made.command()
    def end(code: int) -> None:
        raise Exit(code)

    @made.command()
    def fail() -> None:
        raise UserError("a  file\x1b[31m\nis red")

    @made.command()
    def stop() -> None:
        raise KeyboardInterrupt

    return made


@pytest.mark.parametrize(("words", "code"), [(["end", "0"], 0), (["end", "3"], 3), (["stop"], 130)])
def test_exit_codes(app: Typer, words: list[str], code: int, monkeypatch, capsys) -> None:
    assert run(app, words, monkeypatch, capsys)[0] == code


def test_an_error_from_a_file_is_one_line_without_control_characters(app: Typer, monkeypatch, capsys) -> None:
    code, _, err = run(app, ["fail"], monkeypatch, capsys)
    assert code == 2
    assert err == "error: a  file [31m is red\n"


def test_no_arguments_show_the_help(app: Typer, monkeypatch, capsys) -> None:
    code, out, err = run(app, [], monkeypatch, capsys)
    assert code == 2
    assert re.search(r"Does this\.", out + err)


@pytest.mark.parametrize("module", DOWNLOADERS)
def test_downloads_are_announced_on_standard_error_once(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = Typer()
    app.command()(lambda: logging.getLogger(module).info("fetching a\x1b[2Jwheel (32 MB)"))
    for _ in range(2):  # a second command line in this process adds nothing to the first one's
        assert run(app, [], monkeypatch, capsys) == (0, "", "fetching a [2Jwheel (32 MB)\n")


def test_the_modules_that_announce_are_there() -> None:
    assert all(hasattr(importlib.import_module(name), "log") for name in DOWNLOADERS)
