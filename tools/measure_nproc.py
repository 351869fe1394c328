"""What `--nproc 2` costs: seconds a step and memory of each process, with one process and with two, on this machine.

    python -m tools.measure_nproc nano mini --texts 160 --repeats 3

Every figure is of fresh processes, taken in turn. Models have random weights, which take the same time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
import torch.distributed as dist

from gptcore.data.datasets import load_dataset
from gptcore.engine.engine import Engine
from gptcore.engine.sharded import ShardedEngine, Team
from gptcore.recipe import Recipe
from gptcore.training.distributed import in_team
from gptcore.training.fit import fit

BATCH = 8


@dataclass(frozen=True)
class Measure:
    """One fit of a recipe: seconds of its training, and the most bytes that it added to a process."""

    recipe: Recipe

    def __call__(self, team: Team, device: str, tell: Callable[[object], None]) -> tuple[float, int]:
        """See `gptcore.training.distributed.Work`."""
        del tell
        engine = ShardedEngine(team=team) if team.size > 1 else Engine()
        found = fit(self.recipe, load_dataset("sms-spam"), 0, engine, device)
        added = torch.tensor(found.added_mem_bytes)
        dist.all_reduce(added, dist.ReduceOp.MAX)
        return found.phases["train"], int(added)


def main() -> None:
    """Print a line per model, method and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--texts", type=int, default=160)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    ways = {
        "1 process, 1 thread": (1, 1),
        "1 process, 2 threads": (1, 2),
        "2 processes, 1 thread each": (2, 1),
    }
    for model in asked.models:
        for train in ("all", "lora"):
            recipe = Recipe(
                model=model, weights="random", train=train, epochs=1, batch_size=BATCH, train_size=asked.texts
            )
            taken: dict[str, list[tuple[float, int]]] = {way: [] for way in ways}
            for _ in range(asked.repeats):
                for way, (n, threads) in ways.items():
                    taken[way].append(in_team(n, "cpu", Measure(recipe), threads=threads))
            alone = median(seconds for seconds, _ in taken["1 process, 1 thread"])
            for way, found in taken.items():
                seconds, n_bytes = median(s for s, _ in found), max(b for _, b in found)
                print(
                    f"{model} {train}, {way}: {1000 * seconds * BATCH / asked.texts:.1f} ms a step "
                    f"({seconds / alone:.2f} times), {n_bytes / 2**20:.0f} MiB added",
                    flush=True,
                )


if __name__ == "__main__":
    main()
