"""Plain against fast, row by row, in turn in one process on the same data. Loads torch: it times real steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import psutil
import torch

from bench.run.environment import describe_environment
from bench.run.speed_record import EngineName, RowSpeed, SpeedStudy, Taken, Whole
from bench.study.costs import estimate_flops
from bench.study.manifest import Row
from gptcore.data.datasets import Dataset
from gptcore.finetune.engine import PRODUCT_FLOPS, Engine, probe_precision, product_seconds
from gptcore.finetune.fit import fit
from gptcore.finetune.probe import Probe, SliceSize, probe
from gptcore.finetune.recipe import Recipe
from gptcore.finetune.view import Precision
from gptcore.models.checkpoints import known_config
from gptcore.models.config import FAMILIES

# The plain engine's slices are small because they are slow; its first epoch warms up, the second is timed.
SLICES: dict[EngineName, dict[str, SliceSize]] = {
    "plain": {
        "gpt2": SliceSize(batches=1, evaluated=8, stand_in=False),
        "embedded": SliceSize(batches=4, evaluated=32, stand_in=False),
    },
    "fast": {
        "gpt2": SliceSize(batches=2, evaluated=16, stand_in=False),
        "embedded": SliceSize(batches=16, evaluated=64, stand_in=False),
    },
}
LENGTHS = (32, 64, 128, 256)  # tokens a row is padded to, to show how cost grows
OTHER_MODELS = {"gpt2": ("mini", "gpt2-medium"), "embedded": ("nano", "micro")}

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

OnRow = Callable[[str, int, int], None]  # what is timed; how many are done, of how many


def measure(
    models: str,
    rows: Sequence[Row],
    beyond: Sequence[Row],
    whole: Sequence[str],
    data: Dataset,
    pairs: int,
    device: str,
    on_row: OnRow,
) -> SpeedStudy:
    """Time every row of one model under both engines; `whole`: rows that are also done whole, once.

    beyond: rows that are no part of the matrix and do not count towards its total. Weights are random: they
    decide no time. Rows come in the order of the plan; TF-IDF has no engine.
    """
    family = "gpt2" if models in ("gpt2", *FAMILIES["gpt2"]) else "embedded"
    timer = _Timer(data, probe_precision(torch.device(device)), device, family, pairs)
    base = rows[0].recipe
    lengths = [base.model_copy(update={"context": n}) for n in LENGTHS]
    others = [base.model_copy(update={"model": model}) for model in OTHER_MODELS[family]]
    n, done = len(rows) + len(beyond) + len(lengths) + len(others) + len(whole), 0

    def timed(name: str, recipe: Recipe) -> RowSpeed:
        nonlocal done
        on_row(name, done, n)
        done += 1
        return timer.row(name, recipe)

    found = [timed(row.name, row.recipe) for row in (*rows, *beyond)]
    by_length = [timed(f"{n_tokens} tokens", r) for n_tokens, r in zip(LENGTHS, lengths, strict=True)]
    by_model = [timed(recipe.model, recipe) for recipe in others]
    for i, row in enumerate((*rows, *beyond)):
        if row.name in whole:
            on_row(f"{row.name}, whole", done, n)
            done += 1
            found[i] = found[i].model_copy(update={"whole": timer.whole(row.recipe)})
    return SpeedStudy(
        models=models,
        dataset=data.name,
        n_train=len(data.train),
        epochs=base.epochs,
        pairs=pairs,
        precision=timer.engines["fast"].precision,
        slices={name: _in_words(sizes[family], base) for name, sizes in SLICES.items()},
        rates={name: _rate(dtype, torch.device(device)) for name, dtype in DTYPES.items()},
        rows=found[: len(rows)],
        beyond=found[len(rows) :],
        by_length=by_length,
        by_model=by_model,
        environment=describe_environment(device, timer.engines["fast"].precision, torch.get_num_threads()),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


class _Timer:
    """Times recipes under both engines on the same data."""

    def __init__(self, data: Dataset, precision: Precision, device: str, family: str, pairs: int) -> None:
        self.data, self.device, self.family, self.pairs = data, device, family, pairs
        self.engines: dict[EngineName, Engine] = {"plain": Engine("plain"), "fast": Engine("fast", precision)}

    def row(self, name: str, recipe: Recipe) -> RowSpeed:
        taken: dict[EngineName, list[Taken]] = {"plain": [], "fast": []}
        last: dict[EngineName, Probe] = {}
        for pair in range(self.pairs):
            order: tuple[EngineName, ...] = ("plain", "fast") if pair % 2 == 0 else ("fast", "plain")
            for engine in order:
                size = SLICES[engine][self.family]
                last[engine] = probe(recipe, self.data, self.engines[engine], self.device, size)
                taken[engine].append(Taken(phases=last[engine].phases))
        trunk = last["fast"].trunk
        return RowSpeed(
            row=name,
            recipe=recipe,
            plain=taken["plain"],
            fast=taken["fast"],
            plain_flops=self._flops(recipe, last["plain"]),
            trunk_key=None if trunk is None else repr((trunk.rows, trunk.depth)),
        )

    def whole(self, recipe: Recipe) -> dict[EngineName, Whole]:
        """Do a run whole under each engine, the fast one first."""
        found: dict[EngineName, Whole] = {}
        for engine in ("fast", "plain"):
            made = Engine(engine, self.engines[engine].precision)
            before = psutil.Process().memory_info().rss
            result = fit(recipe.model_copy(update={"weights": "random"}), self.data, 0, made, self.device)
            found[engine] = Whole(phases=result.phases, mem_bytes=max(0, result.peak_mem_bytes - before))
        return found

    def _flops(self, recipe: Recipe, plain: Probe) -> float | None:
        config = known_config(recipe.model)
        if config is None:
            return None
        data = self.data
        n_evaluated = len(data.train) + recipe.epochs * len(data.validation) + len(data.test)
        return estimate_flops(
            config, recipe, recipe.epochs * len(data.train), n_evaluated, plain.tokens_per_row
        )


def _rate(dtype: torch.dtype, device: torch.device) -> float:
    """FLOP/s of a large matrix product."""
    return PRODUCT_FLOPS / product_seconds(dtype, device)


def _in_words(size: SliceSize, recipe: Recipe) -> str:
    return (
        f"two epochs of {size.batches} batches of {recipe.batch_size} (the second is timed), "
        f"{size.evaluated} validation and {size.evaluated} test texts, with all blocks"
    )
