"""Times the fast engine and a loop of `transformers` on the same slices, in turn. Loads torch: it times real steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import torch

from bench.records.opponent import THEIRS, OpponentRow, OpponentStudy, Phase, Their
from bench.records.speed import Taken
from bench.records.study import Row
from bench.run.environment import describe_environment
from bench.run.timing import Runner, take_rounds
from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer
from gptcore.backbones.hf_config import HFConfig
from gptcore.data.datasets import Dataset
from gptcore.data.rows import epoch_batches
from gptcore.data.tokenizer import cut_tokens
from gptcore.engine.engine import Engine, probe_precision, product_seconds
from gptcore.recipe import Recipe
from gptcore.training.inputs import row_length, tokenise
from gptcore.training.probe import probe
from gptcore.training.stand_in import SliceSize, slice_of
from gptcore.training.transformers_loop import AT_A_TIME, TransformersLoop, padded_over_real

# evaluated: a batch of theirs without gradients
SIZE = SliceSize(batches=2, evaluated=AT_A_TIME, stand_in=False)
OnTimed = Callable[[str, float], None]  # what is being timed; the share done, from 0 to 1
_PHASES = ("trunk", "train", "evaluate")


def measure_against(
    config: HFConfig, rows: list[Row], data: Dataset, rounds: int, device: str, on_timed: OnTimed
) -> OpponentStudy:
    """Time every row under the engine and in their loop, there in both precisions if bfloat16 is any faster here.

    Weights are random.
    """
    engine = Engine("fast", probe_precision(torch.device(device)))
    precisions = [name for name in THEIRS if name == "float32" or _rounds_faster(torch.device(device))]
    n, done = len(rows) * rounds * (1 + len(precisions)), 0

    def timed(what: str, measure: Callable[[], Taken]) -> Runner[Taken]:
        def run(case: str, _round: int) -> Taken:
            nonlocal done
            on_timed(f"{case}, {what}", done / n)
            done += 1
            return measure()

        return run

    found = []
    for row in rows:
        runners: dict[str, Runner[Taken]] = {
            name: timed(f"transformers {name}", _bound(config, row.recipe, data, name, device))
            for name in precisions
        }
        runners["ours"] = timed("fast", _ours(row.recipe, data, engine, device))
        taken = take_rounds(runners, [row.name], rounds, on_round=lambda _text: None, warm_up=0)[row.name]
        theirs = {name: taken[name] for name in precisions}
        found.append(OpponentRow(row=row.name, recipe=row.recipe, ours=taken["ours"], theirs=theirs))
    return OpponentStudy(
        model=rows[0].recipe.model,
        dataset=data.name,
        n_train=len(data.train),
        rounds=rounds,
        precision=engine.precision,
        slices=(
            f"two epochs of {SIZE.batches} batches of {rows[0].recipe.batch_size} (the second is timed) and "
            f"{SIZE.evaluated} validation and test texts each, with all blocks"
        ),
        padded=padding_of(config, rows[0].recipe, data),
        rows=found,
        environment=describe_environment(device, engine.precision, torch.get_num_threads()),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _rounds_faster(device: torch.device) -> bool:
    """Whether large products take less in bfloat16: if not, autocast only loses."""
    return product_seconds(torch.bfloat16, device) < product_seconds(torch.float32, device)


def _ours(recipe: Recipe, data: Dataset, engine: Engine, device: str) -> Callable[[], Taken]:
    def measure() -> Taken:
        phases = probe(recipe, data, engine, device, SIZE).phases
        return Taken(phases={name: phases[name] for name in _PHASES if name in phases})

    return measure


def _bound(
    config: HFConfig, recipe: Recipe, data: Dataset, precision: Their, device: str
) -> Callable[[], Taken]:
    return lambda: their_run(config, recipe, data, precision, device)


def padding_of(config: HFConfig, recipe: Recipe, data: Dataset) -> dict[Phase, float]:
    """How much padding their batches hold: an epoch of training, and predictions for the test part."""
    lengths = {name: [len(row) for row in rows] for name, rows in _tokens(config, recipe, data, data).items()}
    n_train, n_test = len(lengths["train"]), len(lengths["test"])
    epoch = epoch_batches(n_train, recipe.batch_size, torch.Generator().manual_seed(0))
    at_a_time = (range(n_test)[begin : begin + AT_A_TIME] for begin in range(0, n_test, AT_A_TIME))
    return {
        "train": padded_over_real(lengths["train"], (batch.tolist() for batch in epoch)),
        "evaluate": padded_over_real(lengths["test"], at_a_time),
    }


def _tokens(config: HFConfig, recipe: Recipe, data: Dataset, part: Dataset) -> dict[str, list[Sequence[int]]]:
    """Rows of tokens of a part of the data, cut where the whole data's are."""
    tokenizer, whole = checkpoint_tokenizer(recipe.model), tokenise(data, recipe.model)
    longest = [max(map(len, rows)) for rows in (whole["train"], [r for each in whole.values() for r in each])]
    length = row_length(recipe, config, *longest)
    of_part = whole if part is data else tokenise(part, recipe.model)
    return {name: [cut_tokens(tokenizer, row, length) for row in rows] for name, rows in of_part.items()}


def their_run(config: HFConfig, recipe: Recipe, data: Dataset, precision: Their, device: str) -> Taken:
    """Their whole run, scaled from a slice: steps by batches, what follows by texts."""
    part = slice_of(data, recipe.batch_size * SIZE.batches, SIZE.evaluated, SIZE.evaluated)
    pad_id, cut = checkpoint_tokenizer(recipe.model).pad_id, _tokens(config, recipe, data, part)
    loop = TransformersLoop(config, recipe, len(data.label_names), pad_id, precision, device)
    order = torch.Generator().manual_seed(0)
    loop.epoch(cut["train"], part.train.labels, order)
    losses, train_s = loop.epoch(cut["train"], part.train.labels, order)
    evaluate_s = sum(loop.seconds_for(cut[name]) for name in ("validation", "test"))
    n_steps = recipe.epochs * max(1, len(data.train) // recipe.batch_size)
    n_evaluated = len(data.train) + recipe.epochs * len(data.validation) + len(data.test)
    return Taken(
        phases={
            "train": train_s / len(losses) * n_steps,
            "evaluate": evaluate_s / (len(cut["validation"]) + len(cut["test"])) * n_evaluated,
        }
    )
