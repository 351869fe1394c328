"""A classifier that counts words is fitted, asked, explained and served by processes that cannot load torch."""

import subprocess
import sys
from pathlib import Path

import pytest

# In the order of a user's day; the server is stopped as soon as it would listen.
COMMANDS = """
import sys
from gptcore.cli import main
from gptcore.commands import serve
import gptcore.serving.run

gptcore.serving.run.serve_app = lambda app, bound, ready: ready()
folder = sys.argv[1]
file = folder + "/reviews.csv"
for command in (
    ["fit", file, "--recipe", "tfidf", "--out", folder + "/kept"],
    ["predict", folder + "/kept", "win a prize"],
    ["predict", folder + "/kept", "--file", file, "--out", folder + "/answers.csv", "--prefix", "p_"],
    ["explain", folder + "/kept", "win a prize"],
    ["serve", folder + "/kept", "--port", "0"],
):
    sys.argv = ["gptcore", *command]
    try:
        main()
    except SystemExit as end:
        assert not end.code, command
    assert "torch" not in sys.modules, command
"""


def test_no_command_on_tfidf_loads_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uvicorn")
    rows = [
        f"{('see you at home', 'win a prize now')[i % 2]} {i},{('ham', 'spam')[i % 2]}" for i in range(40)
    ]
    (tmp_path / "reviews.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    # Also in processes that a command starts, such as the one in which `fit` opens its folder again.
    poisoned = tmp_path / "poisoned"
    poisoned.mkdir()
    (poisoned / "torch.py").write_text("raise AssertionError('torch was imported')\n")
    monkeypatch.setenv("PYTHONPATH", str(poisoned), prepend=":")
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "serving" in done.stdout
    assert (tmp_path / "answers.csv").read_text().count("\n") == 41
