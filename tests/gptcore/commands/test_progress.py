"""Standard error of a command: one line at a time, and no names or paths that steer a terminal."""

from pathlib import Path

import pytest

from gptcore import commands
from gptcore.commands.progress import show_progress


def test_a_line_stays_one_and_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    show_progress("loading: a\x1b[2J\nb")
    found = capsys.readouterr()
    assert (found.out, found.err) == ("", "loading: a [2J b\n")


def test_no_command_writes_to_standard_error_in_another_way() -> None:
    files = Path(commands.__file__).parent.glob("*.py")
    writing = {file.name for file in files if "err=True" in file.read_text(encoding="utf-8")}
    assert writing == {"main.py", "progress.py"}  # main.py: the error that ends a command
