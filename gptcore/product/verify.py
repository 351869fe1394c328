"""Opens a classifier's folder in a new process and compares its answers with those it should give.

`python -m gptcore.product.verify FOLDER DEVICE` is that process: texts come in on standard input as a JSON array,
probabilities go out the same way.
"""

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

TOLERANCE = 1e-4  # of a probability: on a GPU another process may add up in another order


def verify_folder(folder: Path, texts: Sequence[str], expected: np.ndarray, device: str) -> int:
    """How many texts were compared, which is all of them. expected: (N, n_labels) probabilities.

    Raises UserError where the folder does not open, an answer differs, or a probability is off by more than TOLERANCE.
    """
    found = _answers(folder, texts, device)
    if found.shape != expected.shape or not np.isfinite(found).all():
        raise UserError(
            f"{folder} gives {found.shape} probabilities after loading, expected {expected.shape}"
        )
    decide = TextClassifier.load(folder, device).decide
    equal = (decide(found) == decide(expected)) & (abs(found - expected).max(axis=1) <= TOLERANCE)
    if not equal.all():
        raise UserError(
            f"{folder} answers otherwise after loading: only {int(equal.sum())} of {len(texts)} predictions are equal "
            "(probabilities to 4 digits); the folder was removed"
        )
    return len(texts)


def _answers(folder: Path, texts: Sequence[str], device: str) -> np.ndarray:
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(folder), device],
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": paths},
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{folder} cannot be opened in a new process: {last}")
    return np.array(json.loads(done.stdout), dtype=np.float64)


def main() -> None:
    """The new process."""
    folder, device = sys.argv[1:]
    texts = json.loads(sys.stdin.buffer.read())
    print(json.dumps(TextClassifier.load(folder, device).predict_proba(texts).tolist()))


if __name__ == "__main__":
    main()
