"""The README's way from a labelled file to a classifier in production, in its order, as a user's processes."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parents[2] / "README.md"
WORDS = {"spam": ["win", "prize", "now", "free", "call"], "ham": ["see", "you", "at", "home", "now"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Holds reviews.csv, 160 texts of which one in nine has the wrong label."""
    rng = np.random.default_rng(0)
    rows = ["text,label"]
    for i in range(160):
        label = ("ham", "spam")[i % 2]
        words = " ".join(rng.choice(WORDS[label], size=rng.integers(3, 9)))
        rows.append(f"{words} {i},{label if i % 9 else ('spam', 'ham')[i % 2]}")
    (tmp_path / "reviews.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    """A cache of its own, and no network: neither the hub nor a package index is asked."""
    root = str(README.parent)
    offline = {"HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1", "PYTHONPATH": root}
    return os.environ | offline | {"GPTCORE_CACHE": str(folder / "cache"), "HF_HOME": str(folder / "hub")}


def run(folder: Path, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    """What a command of `python -m` prints."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in codes, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_csv_becomes_a_served_and_exported_classifier(folder: Path) -> None:
    pytest.importorskip("uvicorn")
    pytest.importorskip("transformers")
    assert "160" in run(folder, "bench", "check", "reviews.csv")
    told = run(folder, "bench", "recommend", "reviews.csv", "--budget", "60s", "--models", "nano")
    assert "python -m gptcore fit reviews.csv --recipe best --out my-classifier" in told
    (formats,) = re.findall(r"can be exported: --to (.*)", told)
    fitted = run(folder, "gptcore", "fit", "reviews.csv", "--recipe", "best", "--out", "my-classifier")
    assert "verified: 32 of 32 predictions equal" in fitted
    assert f"export: --to {formats} " in fitted
    answer = run(folder, "gptcore", "predict", "my-classifier", "free entry, text WIN to 80086")
    assert re.match(r"(spam|ham)\t0\.\d+\n", answer)
    export_one(folder, formats.split(", "))
    served(folder, answer.split("\t")[0])
    probed = run(folder, "gptcore", "probe-padding", "my-classifier-hf", codes=(0, 1))
    assert "16 texts" in probed


def export_one(folder: Path, formats: list[str]) -> None:
    """To hf; where TF-IDF was the best recipe, it says so, and another one is exported for the commands after it."""
    to_hf = ("--to", "hf", "--out", "my-classifier-hf")
    kept = "my-classifier"
    if "hf" not in formats:
        refused = run(folder, "gptcore", "export", kept, *to_hf, codes=(2,))
        assert f"use --to {formats[0]}" in refused
        first = ("--to", formats[0], "--out", f"my-classifier-{formats[0]}")
        assert "verified: 32 of 32" in run(folder, "gptcore", "export", kept, *first)
        kept = "with-nano"
        run(folder, "gptcore", "fit", "reviews.csv", "--recipe", "nano", "--out", kept)
    assert "verified: 32 of 32" in run(folder, "gptcore", "export", kept, *to_hf)


def served(folder: Path, label: str) -> None:
    """It answers over HTTP, and ends when asked to."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "gptcore", "serve", "my-classifier", "--port", "0"],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            (url,) = re.findall(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            with urllib.request.urlopen(f"{url}/health", timeout=60) as reply:
                assert json.loads(reply.read())["labels"] == ["ham", "spam"]
            body = json.dumps({"texts": ["free entry, text WIN to 80086"]}).encode()
            with urllib.request.urlopen(f"{url}/predict", data=body, timeout=60) as reply:
                assert json.loads(reply.read())["answers"][0]["label"] == label
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) in (0, -signal.SIGTERM)
        finally:
            process.kill()


def test_these_are_the_commands_of_the_readme() -> None:
    shown = re.findall(
        r"^    python -m (bench|gptcore) ([a-z-]+) (?:reviews|my-cl|SOME)", README.read_text(), re.M
    )
    assert [command for _, command in shown][:7] == [
        *("check", "recommend", "fit", "predict", "export", "serve", "probe-padding"),
    ]
