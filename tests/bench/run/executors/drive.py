"""A driver in a process of its own: python -m ...drive NAME FOLDER.

It says `ready` once its cluster is there, waits for a line, does the plan and prints what it starts.
"""

import sys
from pathlib import Path

from bench.run.execute import execute
from bench.run.worker import SessionSpec
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset
from gptcore.recipe import Recipe, Seeds
from tests.bench.run.executors.heard import Heard
from tests.bench.run.executors.test_conformance import SITES

ROWS = (Recipe(model="nano", epochs=1, train="last_layer", lr=1e-3), Recipe(model="tfidf"))
PLAN = [PlannedRun(("row",), recipe, seed, Seeds(), "todo") for seed in range(5) for recipe in ROWS]


class Loud(Heard):
    """Says at once that a run starts."""

    def start(self, run: PlannedRun) -> None:
        print(f"start {run.run_id}", flush=True)


def main() -> None:
    """Do the plan in the folder."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    texts = [f"{'win a prize' if i % 2 else 'see you'} at {i}" for i in range(40)]
    data = Dataset.from_texts(texts, [("ham", "spam")[i % 2] for i in range(40)])
    with SITES[name]() as site:
        print("ready", flush=True)
        sys.stdin.readline()
        spec = SessionSpec(data, "fast", "float32", "cpu", jobs=site.n_jobs("1", ROWS, "cpu"), threads=1)
        with site.open(spec, folder, None) as executor:
            execute(PLAN, folder, {}, executor, Loud())


if __name__ == "__main__":
    main()
