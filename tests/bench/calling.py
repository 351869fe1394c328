"""`python -m bench` within the test's process: a fresh one imports for seconds."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import cli
from bench.run import runner
from bench.run.executors import local
from gptcore.training import probe


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """What it printed, with line breaks and columns as single blanks."""
        return " ".join(self.out.split())


Bench = Callable[..., Answer]


@pytest.fixture
def bench(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, in_process: type
) -> Bench:
    """Calls `python -m bench` within this process, runs too, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local, "Supervisor", in_process)
    monkeypatch.setattr(runner, "probe_precision", lambda _device: "float32")  # it takes half a second
    monkeypatch.setattr(probe, "SHORT_S", 0.0)  # forecasts from one pass over toys are good enough here

    def call(*arguments: str | Path) -> Answer:
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        code: object = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        assert isinstance(code, int)
        return Answer(code, *capsys.readouterr())

    return call


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without plots/, whose drawing takes most of a report's time."""
    from bench.report import markdown

    monkeypatch.setattr(markdown, "write_plots", lambda *_: {})
