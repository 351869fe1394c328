"""The script that goes into an export and answers without this package, and how it is asked. Imports no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gptcore.classifier import TextClassifier
from gptcore.errors import UserError
from gptcore.wording import one_line

ABOUT, SCRIPT = "classifier.json", "predict.py"
# Asks the script in another process, which has nothing but its folder.
_ASK = (
    "import json, sys; sys.path.insert(0, sys.argv[1]); import predict; "
    "print(json.dumps([predict.answer(text)[1].tolist() for text in json.load(sys.stdin.buffer)]))"
)


def script(name: str) -> str:
    """The content of predict.py. name: of the module here that becomes it."""
    return Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")


def about_labels(classifier: TextClassifier) -> dict[str, list[str]]:
    """What `classifier.json` says of the labels: their names, and what is printed."""
    return {"labels": list(classifier.labels), "shown": [one_line(label) for label in classifier.labels]}


def probabilities(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """(N, n_labels) that the script gives in a new process. Raises UserError where it fails."""
    return np.array(json.loads(_run(["-c", _ASK, str(folder)], json.dumps(list(texts)))), dtype=np.float64)


def printed(folder: Path, texts: Sequence[str]) -> list[tuple[str, float]]:
    """Label and probability that the script prints of each line of its input. Raises UserError where it fails."""
    lines = _run([str(folder / SCRIPT)], "".join(f"{text}\n" for text in texts)).split("\n")[:-1]
    pairs = (line.rsplit("\t", 1) for line in lines)
    return [(label, float(probability)) for label, probability in pairs]


def _run(arguments: list[str], given: str) -> str:
    """What a new process of Python prints, which has nothing of this one's own packages."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, *arguments],
        input=given,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=env | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{SCRIPT} of the export fails in a new process: {last}")
    return done.stdout
