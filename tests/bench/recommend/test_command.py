"""`python -m bench recommend` from the command line to the files, and the recipe that `gptcore fit` then finds."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import cli
from bench.recommend import workers
from bench.report.recommended_command import shell_word
from gptcore.cli import main as gptcore_main

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    toy_csv: Path,
    world: type,
) -> Command:
    """Call recommend on the toy file, in the temporary folder, in a world without training."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))

    class Double(world):  # type: ignore[misc]
        def __init__(self, opened) -> None:
            super().__init__(opened=opened, stop_at=call.stop_at)

        def __enter__(self):
            return self

        def __exit__(self, *_: object) -> None: ...

    def call(*options: str, stop_at: int | None = None, file: str = str(toy_csv)) -> tuple[int, str, str]:
        call.stop_at = stop_at
        argv = ["bench", "recommend", file, "--models", "nano", "--margin", "5", *options]
        monkeypatch.setattr(sys, "argv", argv)
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        found = capsys.readouterr()
        return code, found.out, found.err

    monkeypatch.setattr(workers, "Processes", Double)
    return call


def test_one_screen_a_page_and_a_recipe(command: Command, tmp_path: Path, monkeypatch, capsys) -> None:
    code, out, err = command("--budget", "60s")
    assert (code, err) == (0, "")
    lines = out[out.index("\n\n") :].strip().splitlines()
    titles = [line.split("  ")[1] for line in lines if line.startswith("  ")]
    assert titles == [
        *("why", "accuracy", "next better", "more labels", "a GPT?", "to ship", "budget", "train it")
    ]
    assert len(lines) <= 12
    folder = tmp_path / "results" / "recommend-toy"
    best = tomllib.loads((folder / "best.toml").read_text())
    assert best["recipe"]["model"] == "tfidf"
    assert best["data"]["name"] == "toy.csv"
    report = (folder / "report.md").read_text()
    for heading in ("Rows that were compared", "Accuracy over the number of labels", "How to go on"):
        assert f"## {heading}" in report
    page = (folder / "report.html").read_text()
    assert page.count("<circle") == 5  # 1/8, 1/4, 1/2, all, and twice as many
    assert "<script" not in page
    assert not re.search(r"https?://", page.replace("http://www.w3.org", ""))

    # What was chosen is what `fit` trains.
    monkeypatch.setattr(
        sys, "argv", ["gptcore", "fit", str(tmp_path / "toy.csv"), "--recipe", "best", "--out", "kept"]
    )
    monkeypatch.setattr("gptcore.product.folder.verify_folder", lambda _folder, texts, *_: len(texts))
    gptcore_main_exit()
    assert (tmp_path / "kept" / "classifier.json").exists()
    assert "saved: kept" in capsys.readouterr().out
    (tmp_path / "toy.csv").write_text((tmp_path / "toy.csv").read_text() + "more,ham\n")
    monkeypatch.setattr(sys, "argv", [*sys.argv[:-1], "again"])
    assert gptcore_main_exit() == 2
    assert "was for other rows, or read with other options" in capsys.readouterr().err


def test_groups_are_said_and_an_option_of_the_next_command(command: Command, tmp_path: Path) -> None:
    header, *lines = (tmp_path / "toy.csv").read_text().splitlines()
    grouped = [f"{header},user", *(f"{line},u{i // 4}" for i, line in enumerate(lines))]
    (tmp_path / "toy.csv").write_text("\n".join(grouped) + "\n")
    code, out, _ = command("--budget", "60s", "--group-column", "user")
    assert code == 0
    said = " ".join(out.split())
    assert "groups texts of one group count together; the held-out texts of the first seed are of" in said
    assert "toy.csv --group-column user --recipe best --out my-classifier" in said
    folder = tmp_path / "results" / "recommend-toy"
    for name in ("report.md", "report.html"):
        assert "exts of one group count together" in (folder / name).read_text()


def test_the_command_that_is_shown_trains_on_a_file_that_is_read_oddly(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "it's; odd.txt"
    lines = [f"{'Kauf' if i % 2 else 'Grüße'} Nr. {i}|{i % 2}|{i // 2}" for i in range(240)]
    file.write_text("\n".join(["der Text|-k|$user", *lines, ""]), encoding="latin-1")
    test = tmp_path / "the test part.txt"
    test.write_text("der Text|-k|$user\nKauf|1|a\nGrüße|0|b\nKauf 2|1|c\nGrüße 2|0|d\n", encoding="latin-1")
    options = {
        **{"--text-column": "der Text", "--label-column": "-k", "--group-column": "$user"},
        **{"--separator": "|", "--encoding": "latin-1", "--label-names": "0=kein Müll,1=Müll"},
        "--test": test.name,
    }
    code, out, err = command(
        *(f"{name}={value}" for name, value in options.items()), "--budget=60s", file=file.name
    )
    assert (code, err) == (0, "")
    report = (tmp_path / "results" / "recommend-it's; odd" / "report.md").read_text()
    (shown,) = (line.strip() for line in report.splitlines() if line.startswith("    python"))
    assert shown in out
    words = shlex.split(shown)
    assert words[:4] == ["python", "-m", "gptcore", "fit"]
    monkeypatch.setattr(sys, "argv", ["gptcore", *words[3:]])
    monkeypatch.setattr("gptcore.product.folder.verify_folder", lambda _folder, texts, *_: len(texts))
    assert gptcore_main_exit() == 0
    found = capsys.readouterr()
    assert "4 to test" in found.err
    assert "saved: my-classifier" in found.out
    content = json.loads((tmp_path / "my-classifier" / "classifier.json").read_text())
    assert content["labels"] == ["kein Müll", "Müll"]


@pytest.mark.parametrize("word", ["a b", "it's", "$x", "-k", "", "ä\t\n'\\$", "\u00a0", "\x1b[31m", "日本語"])
def test_words_come_back_from_the_shell(word: str) -> None:
    shown = shell_word(word)
    assert shown.isprintable()
    done = subprocess.run(
        ["bash", "-c", f"printf %s {shown}"], capture_output=True, check=True, timeout=30, encoding="utf-8"
    )
    assert done.stdout == word


def gptcore_main_exit() -> int:
    try:
        gptcore_main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_ctrl_c_shows_the_best_answer_so_far(command: Command, tmp_path: Path) -> None:
    code, out, _ = command("--budget", "60s", stop_at=0)
    assert code == 130
    assert "interrupted before the first run had finished" in out
    assert not (tmp_path / "results" / "recommend-toy" / "best.toml").exists()
    code, out, _ = command("--budget", "60s", stop_at=8)
    assert code == 130
    assert "not measured on the test part yet" in " ".join(out.split())
    assert "the same command continues" in out
    assert (tmp_path / "results" / "recommend-toy" / "best.toml").exists()
    code, out, _ = command("--budget", "60s")
    assert code == 0
    assert "test texts, 3 seeds" in " ".join(out.split())


def test_errors_are_one_line(command: Command, tmp_path: Path) -> None:
    for options, message in (
        (("--budget", "3s"), "--budget of 3 s: 3 seeds of the cheapest row"),
        (("--label-column", "lable"), "lable"),
        (("--out", str(tmp_path / "toy.csv")), "is a file"),
    ):
        code, _, err = command(*options)
        assert code == 2
        assert message in err
        assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "results").exists()


def test_a_pointer_that_cannot_be_written_costs_no_answer(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "blocked" / "cache"))
    code, out, err = command("--budget", "60s")
    assert code == 0
    assert "Recommended" in out or "Best so far" in out
    assert "`--recipe best` will not find it" in err
