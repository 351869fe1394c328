"""Stage 2: the 19 published rows with random weights of the right shapes: seconds a row and peak memory.

The fast engine does all of them, one after the other as in a study; the plain engine rows 1, 5 and 11, so that the
ratio of the two comes from the same call.
"""

from __future__ import annotations

import gc
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.gpu.stage import Stage, missing, stage

if TYPE_CHECKING:
    from bench.records.study import Row
    from gptcore.data.datasets import Dataset
    from gptcore.engine.engine import Engine
    from gptcore.recipe import Recipe

PLAIN_ROWS = (1, 5, 11)  # the source's numbers: last block, all layers, LoRA
SMALL_MODEL = "nano"  # stands for every size
GOAL_S = 90.0


def main() -> None:
    """Run the stage."""
    if lacking := missing("torch", "pydantic", "pandas", "tiktoken"):
        sys.exit(f"missing: {', '.join(lacking)} (tools/gpu/pack.sh makes a folder to carry)")
    import gptcore  # noqa: F401  (before torch: it decides how idle threads wait)

    with stage("rows") as running:
        import torch

        from gptcore.engine.engine import Engine, probe_precision

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        precision = probe_precision(device)
        data = _data(running.small)
        running.put(
            "settings",
            {"device": str(device), "precision": precision, "texts": len(data.train), "goal_s": GOAL_S},
        )
        rows = published_rows(running.small)
        fast = Engine("fast", precision)
        warm_up = rows[0].recipe.model_copy(update={"epochs": 1, "train_size": 32})
        running.attempt("warm-up", partial(time_row, warm_up, data, Engine("fast", precision), device))
        for row in rows:
            if row.recipe.model != rows[0].recipe.model:
                continue
            running.attempt(f"fast {row.name}", partial(time_row, row.recipe, data, fast, device), need_s=3)
        for row in rows:
            if row.published is not None and row.published.row in PLAIN_ROWS:
                action = partial(time_row, row.recipe, data, Engine("plain"), device)
                running.attempt(f"plain {row.name}", action, need_s=10)
        fast.trunks.forget()
        for row in rows:
            if row.recipe.model != rows[0].recipe.model:
                running.attempt(
                    f"fast {row.name}", partial(time_row, row.recipe, data, fast, device), need_s=20
                )
        running.put("summary", summary(running, rows))


def published_rows(small: bool) -> list[Row]:
    """The source's 19 rows with random weights, the smallest model first; small: one small model for all."""
    from bench.study.matrix import load_matrix
    from bench.study.resolve import resolve
    from gptcore.backbones.checkpoints import known_config

    rows = [row for row in resolve(load_matrix("full"), "gpt2").rows if row.published is not None]
    changes: dict[str, Any] = {"weights": "random"}
    if small:
        changes |= {"model": SMALL_MODEL, "epochs": 1, "train_size": 24}
    changed = [row.model_copy(update={"recipe": row.recipe.model_copy(update=changes)}) for row in rows]
    return sorted(
        changed, key=lambda row: config.n_params if (config := known_config(row.recipe.model)) else 0
    )


def _data(small: bool) -> Dataset:
    from bench.run.workload import write_texts
    from gptcore.data.datasets import load_dataset

    if not small:
        return load_dataset("sms-spam")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.csv"
        write_texts(path)
        return load_dataset(path)


def time_row(recipe: Recipe, data: Dataset, engine: Engine, device: Any) -> dict[str, Any]:
    """Fit one recipe: seconds by phase, peak memory, what the engine had to do otherwise.

    marginal_s: as in a study, where a trunk may be there; standalone_s: with what it had cost. Both leave out loading,
    which for random weights is drawing them.
    """
    from gptcore.training.fit import fit

    found = fit(recipe, data, 0, engine, device)
    marginal = sum(s for name, s in found.phases.items() if name != "load")
    made = {
        "model": recipe.model,
        "marginal_s": round(marginal, 3),
        "standalone_s": round(marginal + found.borrowed_s, 3),
        "phases": {name: round(s, 3) for name, s in found.phases.items()},
        "steps": len(found.losses),
        "peak_bytes": found.process_mem_bytes,
        "added_bytes": found.added_mem_bytes,
        "notes": list(found.notes),
    }
    del found
    _free_memory()
    return made


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def summary(running: Stage, rows: list[Row]) -> dict[str, Any]:
    """The seconds of all rows beside the published A100-minutes, and how many times faster than plain."""
    fast = {row.name: running.results.get(f"fast {row.name}", {}) for row in rows}
    done = [row for row in rows if "marginal_s" in fast[row.name]]
    plain = {
        name.removeprefix("plain "): v for name, v in running.results.items() if name.startswith("plain ")
    }
    return {
        "rows": len(done),
        "of": len(rows),
        "marginal_s": round(sum(fast[row.name]["marginal_s"] for row in done), 1),
        "published_a100_s_of_these": round(
            60 * sum(row.published.minutes_a100 or 0 for row in done if row.published), 1
        ),
        "times_faster_than_plain": {
            name: round(value["standalone_s"] / fast[name]["standalone_s"], 2)
            for name, value in plain.items()
            if "standalone_s" in value and "standalone_s" in fast[name]
        },
    }


if __name__ == "__main__":
    main()
