"""The answer of a recommendation comes from its folder again, whatever time has passed."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import cli
from bench.recommend.read import read_answer
from bench.recommend.search import NO_MORE
from bench.report.recommended_page import write_answer
from gptcore.errors import UserError

COMMITTED = Path(__file__).parents[3] / "results" / "recommend-amazon-snippets"
Recommend = Callable[..., Any]


def report(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["bench", "report", *words])
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_the_committed_page_is_that_of_its_records(tmp_path: Path) -> None:
    assert (
        write_answer(tmp_path, read_answer(COMMITTED)).read_bytes() == (COMMITTED / "report.md").read_bytes()
    )
    assert "amazon-snippets" in (tmp_path / "report.html").read_text()


def test_report_writes_the_pages_and_spends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(COMMITTED, folder, ignore=shutil.ignore_patterns("report.*"))
    before = (folder / "recommend.json").read_bytes()
    assert report(monkeypatch, str(folder)) == 0
    assert capsys.readouterr().out == f"report: {folder / 'report.md'}\n"
    assert (folder / "report.html").is_file()
    assert (folder / "recommend.json").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == [
        *("best.toml", "recommend.json", "report.html", "report.md", "search", "test")
    ]
    assert report(monkeypatch, str(folder), "--margin", "1") == 2
    assert "whose margin and metric are fixed before its first run" in capsys.readouterr().err


def test_the_answer_is_that_of_the_last_call(recommend: Recommend, world: type, tmp_path: Path) -> None:
    out = tmp_path / "out"
    search, _ = recommend(world(stop_at=8), budget="20m")
    with pytest.raises(UserError, match="holds no answer"):  # as if it had been killed
        read_answer(out)
    search.keep("toy.csv", ["--limit", "9"])
    first = read_answer(out)
    assert (first.ended, first.budget_s, first.expected) == ("interrupted", 1200, None)
    assert (first.file, first.reading) == ("toy.csv", ["--limit", "9"])
    assert first.left_out == search.left_out
    assert first.choice == search.ledger.choice

    search, _ = recommend(budget="10h")
    with pytest.raises(UserError, match="holds no answer"):
        read_answer(out)
    search.keep("toy.csv", [])
    last = read_answer(out)
    assert (last.ended, last.spent_s) == (NO_MORE, search.opened.state.spent_s)
    assert last.choice == search.ledger.choice
    assert last.results == search.ledger.results
    assert last.expected is not None
