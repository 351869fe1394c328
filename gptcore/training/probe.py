"""What a recipe will cost on this machine, found by fitting a small slice of the data with the real code.

A slice has rows of every length, few batches and two epochs; what is measured on it is scaled to the whole
data, phase by phase. A large model is stood for by one of the same width with fewer blocks. Weights are
random, so nothing is downloaded.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from gptcore.backbones.checkpoints import known_config
from gptcore.data.datasets import Dataset
from gptcore.data.subset import with_train_size
from gptcore.engine.cuda_graph import WARM_UP
from gptcore.engine.engine import Engine
from gptcore.recipe import Recipe
from gptcore.result import Fit
from gptcore.training.fit import fit
from gptcore.training.inputs import prepare_inputs
from gptcore.training.sample import Probe, Sample, Tokenise, n_batches, timed_tokenise
from gptcore.training.serving_cost import can_merge
from gptcore.training.stand_in import SliceSize, repeated, slice_of, stand_in, write_stand_in
from gptcore.training.trunk_need import n_positions

SHORT_S = 0.2  # an epoch below it is timed again with its texts repeated
MOST_TIMES = 30  # they are
# What changes neither the time of a step nor the memory, at harmless values: recipes that differ in nothing
# else share a probe. Patience may end a run early; the whole of it is forecast.
_NEUTRAL = {
    **{"weights": "random", "lr": 1e-6, "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0},
    "patience": None,
    "class_weight": None,
}


def cost_id(recipe: Recipe) -> str:
    """Equal for recipes that one probe can stand for."""
    return _cheap(recipe).id


def _cheap(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update=_NEUTRAL).with_method(recipe.method.same_cost())


def _on_slice(recipe: Recipe) -> Recipe:
    """The recipe for data that are cut to its size already."""
    return recipe.model_copy(update={"train_size": None})


def probe(recipe: Recipe, data: Dataset, engine: Engine, device: str, size: SliceSize = SliceSize()) -> Probe:
    """Time a slice of the run and scale it up. engine: the kind and precision to time; its trunks stay untouched.

    Raises UserError where the model's shape or its vocabulary is not available.
    """
    sample = take_sample(recipe, data, engine, device, size)
    return Probe({}) if sample is None else sample.of(data)


def take_sample(
    recipe: Recipe,
    data: Dataset,
    engine: Engine,
    device: str,
    size: SliceSize = SliceSize(),
    tokenise: Tokenise = timed_tokenise,
    free_bytes: int | None = None,
    verify: bool = False,
) -> Sample | None:
    """Fit a slice of `data`; None where the model's shape is not known. Raises UserError as `probe` does.

    free_bytes: a recipe that needs more is not fitted, and has no seconds; verify: as `fit` does it.
    """
    fresh = Engine(engine.name, engine.precision)
    data = with_train_size(data, recipe.train_size)
    if recipe.backbone is None:
        part = slice_of(data, size.counted, size.counted, size.counted)
        result = fit(_on_slice(recipe), part, 0, fresh, device)
        n_texts = len(part.train) + len(part.validation) + len(part.test)
        text_s = result.phases["evaluate"] / n_texts
        return Sample(recipe, fresh, None, None, result.phases, None, len(part.train), 0.0, 0, text_s)
    config = known_config(recipe.backbone)
    if config is None:
        return None
    inputs = prepare_inputs(
        data,
        recipe,
        layout := engine.layout(recipe, config),
        config,
        tokenise(data, recipe.model, recipe.method.n_prompt)[0],
    )
    untimed = Sample(
        recipe, fresh, config, config, {}, inputs, len(data.train), 0.0, 0, too_large_for=free_bytes
    )
    if free_bytes is not None and untimed.own_bytes(inputs, len(data.label_names)) > free_bytes:
        return untimed
    small = stand_in(config, recipe) if size.stand_in else config
    # On a GPU the steps of the second epoch, which is timed, should be recorded ones.
    on_gpu = torch.device(device).type == "cuda"
    n_steps = WARM_UP + 1 if on_gpu else 1
    if on_gpu:  # fast, and where small steps cost more than their share
        size = replace(size, positions=None)
    lengths = inputs.train.lengths
    per_row = n_positions(lengths, inputs.train.width, layout) / len(lengths)
    batch_size, batches, evaluated = size.rows(recipe.batch_size, n_steps * recipe.accumulation, per_row)
    part = slice_of(data, batch_size * batches, evaluated, evaluated)
    with tempfile.TemporaryDirectory(prefix="gptcore-probe-") as folder:
        write_stand_in(Path(folder), small, recipe.model)
        context = inputs.tokens_per_row or recipe.context
        changes = {"model": folder, "context": context, "epochs": 2, "batch_size": batch_size}
        cheap = _on_slice(_cheap(recipe)).model_copy(update=changes)
        result = fit(cheap, part, 0, fresh, device, None, verify)
        batch_s = _batch_seconds(result, len(part.train))
        if result.epochs and (epoch_s := batch_s * n_batches(len(part.train), cheap)) < SHORT_S:
            # What an epoch takes beside its batches would count for too much. Equal texts cost no trunk.
            times = min(MOST_TIMES, 1 + int(SHORT_S / epoch_s))
            longer = fit(cheap, repeated(part, times), 0, fresh, device)
            batch_s = _batch_seconds(longer, times * len(part.train))
    return Sample(
        *(recipe, Engine(engine.name, engine.precision), config, small, result.phases, result.inputs),
        *(len(part.train), batch_s * recipe.batch_size / batch_size, len(result.epochs)),
        n_ways=2 if can_merge(result.classifier) else 1,
    )


def _batch_seconds(result: Fit, n_train: int) -> float:
    """Seconds of a training batch of the second epoch, as the first warms up; 0 where there is none."""
    if not result.epochs:
        return 0.0
    first, second = result.epochs
    return (second.train_s - first.train_s) / n_batches(n_train, result.recipe)
