"""A process that times one small fit at a time, for the regression gate: cases in, seconds out, one per line.

Run by path with PYTHONPATH set to the code to be timed, which may be another commit: it uses only the public API of
`gptcore`. The first line out names the package that was loaded.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

N_TEXTS, N_WORDS = 160, 12
CASES: dict[str, dict[str, Any]] = {
    "last-layer": {"train": "last_layer", "position": "last_real"},
    "last-block": {"train": "last_block", "position": "last_real"},
    "all-layers": {"train": "all", "position": "last"},
    "lora": {"train": "lora", "position": "last_real"},
}


def write_texts(path: Path) -> None:
    """Made-up messages of two classes, always the same ones."""
    words = [
        "see",
        "you",
        "at",
        "the",
        "station",
        "tonight",
        "win",
        "a",
        "free",
        "prize",
        "call",
        "now",
        "ok",
    ]
    rng = random.Random(0)
    rows = (" ".join(rng.choices(words, k=rng.randint(2, 2 * N_WORDS))) for _ in range(N_TEXTS))
    lines = [f"{i} {text},{'ham' if i % 2 else 'spam'}" for i, text in enumerate(rows)]
    path.write_text("\n".join(["text,label", *lines, ""]), encoding="utf-8")


def main() -> None:
    """Answer {"case", "engine", "seed"} with {"seconds"} until standard input ends."""
    import torch

    import gptcore
    from gptcore import Recipe, fit, load_dataset

    try:
        from gptcore import Engine
    except ImportError:  # a commit from before it was a public name
        from gptcore.finetune.engine import Engine  # type: ignore[no-redef,import-not-found]

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.csv"
        write_texts(path)
        data = load_dataset(path)
    print(json.dumps({"package": str(Path(gptcore.__file__).parent)}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        recipe = Recipe(model="nano", weights="random", lr=1e-4, epochs=1, **CASES[asked["case"]])
        # Another seed a round: other random weights, so that no round finds the trunk of an earlier one.
        result = fit(recipe, data, asked["seed"], Engine(asked["engine"]), "cpu")
        seconds = sum(s for name, s in result.phases.items() if name != "load")
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
