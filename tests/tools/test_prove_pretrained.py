"""The page that says whether the bundled models are pretrained, from the committed records and a toy corpus."""

import shutil
import sys
from pathlib import Path

import pytest

from tools import prove_pretrained
from tools.pretrain.corpus import tokenise

RESULTS = Path(__file__).parents[2] / "results"


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_committed_records_give_the_figures_of_the_committed_page() -> None:
    page = (RESULTS / "pretrained.md").read_text(encoding="utf-8")
    committed = page[page.index("| model   | position") :].strip()
    ours, theirs = cells(prove_pretrained.sms_table(RESULTS)), cells(committed)
    # All but the interval, which the page has from a bootstrap.
    assert [row[:7] for row in ours] == [row[:7] for row in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        low, high = (float(end) for end in mine[7].split(" to "))
        assert low < float(other[6]) < high


def test_a_call_writes_the_page(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenise(corpus, tmp_path / "work")
    monkeypatch.setattr(prove_pretrained, "SIZES", ("nano",))
    shutil.copytree(RESULTS / "nano-pretraining", tmp_path / "results" / "nano-pretraining")
    arguments = ["--work", str(tmp_path / "work"), "--results", str(tmp_path / "results")]
    monkeypatch.setattr(sys, "argv", ["prove_pretrained", *arguments])
    prove_pretrained.main()
    page = (tmp_path / "results" / "pretrained.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == page
    language = page[page.index("| model ") : page.index("SMS Spam, test")].strip()
    named = {row[0]: float(row[1]) for row in cells(language)}
    assert list(named) == ["uniform", "unigram", "bigram", "nano (0.7M)"]
    assert 0 < named["bigram"] < named["unigram"] < named["uniform"]
    assert "last_block" in page
