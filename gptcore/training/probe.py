"""What a recipe will cost on this machine, found by fitting a small slice of the data with the real code.

A slice has rows of every length, few batches and two epochs; what is measured on it is scaled to the whole
data, phase by phase. A large model is stood for by one of the same width with fewer blocks. Weights are
random, so nothing is downloaded.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gptcore.backbones.checkpoints import known_config
from gptcore.backbones.model_info import AnyConfig
from gptcore.data.datasets import Dataset
from gptcore.data.subset import with_train_size
from gptcore.engine.cuda_graph import WARM_UP
from gptcore.engine.engine import Engine
from gptcore.engine.layout import Layout
from gptcore.recipe import Recipe
from gptcore.result import CutTexts, Fit
from gptcore.training.costs import estimate_memory
from gptcore.training.fit import fit
from gptcore.training.inputs import Inputs, Sequences, prepare_inputs, row_length, tokenise
from gptcore.training.stand_in import SliceSize, repeated, slice_of, stand_in, write_stand_in
from gptcore.training.trunk_need import TrunkNeed, trunk_need

SPLITS = ("train", "validation", "test")
SHORT_S = 0.2  # an epoch below it is timed again with its texts repeated
MOST_TIMES = 30  # they are
# What changes neither the time of a step nor the memory, at harmless values: recipes that differ in nothing
# else share a probe. Patience may end a run early; the whole of it is forecast.
_NEUTRAL = {
    **{"weights": "random", "lr": 1e-6, "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0},
    "patience": None,
    "class_weight": None,
}


@dataclass(frozen=True)
class Probe:
    """What a run costs alone. phases: seconds by name; trunk: the part that it may find ready, if any.

    tokens_per_row: width of the rows that are computed; own_bytes: peak memory that it adds, trunks left out; cut: how
    many texts are longer than what is read of them.
    """

    phases: dict[str, float]
    trunk: TrunkNeed | None = None
    tokens_per_row: int = 1
    own_bytes: int = 0
    cut: CutTexts | None = None


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


Tokenise = Callable[[Dataset, str, int], tuple[Sequences, float]]  # with the seconds it took


def timed_tokenise(data: Dataset, model: str, n_prompt: int) -> tuple[Sequences, float]:
    """What `tokenise` gives, and how many seconds it takes."""
    began = time.perf_counter()
    return tokenise(data, model, n_prompt), time.perf_counter() - began


@dataclass(frozen=True, eq=False)
class Sample:
    """A slice of a run as it was timed, and what it tells of the run on any split of the data.

    config, small: of the model and of what stood for it, None for TF-IDF; phases: the slice's seconds; inputs: its
    rows; n_train: its training texts; batch_s: seconds of a batch; n_evaluations: of the validation texts;
    too_large_for: free bytes, where the run needs more and nothing was timed.
    """

    recipe: Recipe
    engine: Engine
    config: AnyConfig | None
    small: AnyConfig | None
    phases: dict[str, float]
    inputs: Inputs | None
    n_train: int
    batch_s: float
    n_evaluations: int
    too_large_for: int | None = None

    def of(self, data: Dataset, tokenise: Tokenise = timed_tokenise) -> Probe:
        """What the whole run costs on `data`, which may be split in another way than what was sampled."""
        data = with_train_size(data, self.recipe.train_size)
        if self.config is None or self.small is None:
            return Probe({name: s * len(data.train) / self.n_train for name, s in self.phases.items()})
        sequences, tokenise_s = tokenise(data, self.recipe.model, self.recipe.method.n_prompt)
        inputs = prepare_inputs(
            data, self.recipe, self.engine.layout(self.recipe, self.config), self.config, sequences
        )
        own_bytes = self.own_bytes(inputs, len(data.label_names))
        if self.too_large_for is not None and own_bytes <= self.too_large_for:
            return Probe({})  # on this split it fits, and its time is not known
        phases = _deepened(_scaled(self, inputs), self.recipe, self.small, self.config, self.engine)
        return Probe(
            phases | {"tokenise": tokenise_s},
            trunk_need(self.recipe, inputs, self.config, self.engine),
            inputs.train.width,
            own_bytes,
            _cut(inputs, self.recipe, self.config),
        )

    def own_bytes(self, inputs: Inputs, n_classes: int) -> int:
        """What the run adds to its process, trunks left out."""
        assert self.config is not None
        n_used = None
        if self.engine.is_fast:
            splits = (inputs.train, inputs.validation, inputs.test)
            n_used = len(torch.unique(torch.cat([part.values.flatten() for part in splits])))
        return estimate_memory(
            self.config, self.recipe, inputs.train.width, n_classes, n_used, len(inputs.train)
        )


def _cut(inputs: Inputs, recipe: Recipe, config: AnyConfig) -> CutTexts:
    longest = inputs.longest_tokens
    length = inputs.tokens_per_row or row_length(recipe, config, longest, longest)
    return CutTexts(inputs.n_truncated, len(inputs.train) + len(inputs.validation) + len(inputs.test), length)


def take_sample(
    recipe: Recipe,
    data: Dataset,
    engine: Engine,
    device: str,
    size: SliceSize = SliceSize(),
    tokenise: Tokenise = timed_tokenise,
    free_bytes: int | None = None,
) -> Sample | None:
    """Fit a slice of `data`; None where the model's shape is not known. Raises UserError as `probe` does.

    free_bytes: a recipe that needs more is not fitted, and has no seconds.
    """
    fresh = Engine(engine.name, engine.precision)
    data = with_train_size(data, recipe.train_size)
    if recipe.backbone is None:
        part = slice_of(data, size.counted, size.counted, size.counted)
        result = fit(_on_slice(recipe), part, 0, fresh, device)
        return Sample(recipe, fresh, None, None, result.phases, None, len(part.train), 0.0, 0)
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
    untimed = Sample(recipe, fresh, config, config, {}, inputs, len(data.train), 0.0, 0, free_bytes)
    if free_bytes is not None and untimed.own_bytes(inputs, len(data.label_names)) > free_bytes:
        return untimed
    small = stand_in(config, recipe) if size.stand_in else config
    # On a GPU the steps of the second epoch, which is timed, should be recorded ones.
    on_gpu = torch.device(device).type == "cuda"
    n_steps = WARM_UP + 1 if on_gpu else 1
    if on_gpu:  # fast, and where small steps cost more than their share
        size = replace(size, positions=None)
    lengths = inputs.train.lengths
    per_row = _positions(lengths, inputs.train.width, layout) / len(lengths)
    batch_size, n_batches, evaluated = size.rows(recipe.batch_size, n_steps * recipe.accumulation, per_row)
    part = slice_of(data, batch_size * n_batches, evaluated, evaluated)
    with tempfile.TemporaryDirectory(prefix="gptcore-probe-") as folder:
        write_stand_in(Path(folder), small, recipe.model)
        context = inputs.tokens_per_row or recipe.context
        changes = {"model": folder, "context": context, "epochs": 2, "batch_size": batch_size}
        cheap = _on_slice(_cheap(recipe)).model_copy(update=changes)
        result = fit(cheap, part, 0, fresh, device)
        batch_s = _batch_seconds(result, len(part.train))
        if result.epochs and (epoch_s := batch_s * _batches(len(part.train), cheap)) < SHORT_S:
            # What an epoch takes beside its batches would count for too much. Equal texts cost no trunk.
            times = min(MOST_TIMES, 1 + int(SHORT_S / epoch_s))
            longer = fit(cheap, repeated(part, times), 0, fresh, device)
            batch_s = _batch_seconds(longer, times * len(part.train))
    return Sample(
        *(recipe, Engine(engine.name, engine.precision), config, small, result.phases, result.inputs),
        *(len(part.train), batch_s * recipe.batch_size / batch_size, len(result.epochs)),
    )


def _batch_seconds(result: Fit, n_train: int) -> float:
    """Seconds of a training batch of the second epoch, as the first warms up; 0 where there is none."""
    if not result.epochs:
        return 0.0
    first, second = result.epochs
    return (second.train_s - first.train_s) / _batches(n_train, result.recipe)


def _scaled(sample: Sample, inputs: Inputs) -> dict[str, float]:
    """The slice's seconds as those of the whole data: train by batches, what follows it by positions."""
    assert sample.inputs is not None
    assert sample.config is not None
    recipe, layout = sample.recipe, sample.engine.layout(sample.recipe, sample.config)
    whole, sliced = (
        {name: _positions(getattr(of, name).lengths, of.train.width, layout) for name in SPLITS}
        for of in (inputs, sample.inputs)
    )
    epochs = recipe.epochs if sample.n_evaluations else 0
    factors = {
        "load": 1.0,
        "other": 1.0,
        "trunk": sum(whole.values()) / sum(sliced.values()),
        "train": len(inputs.train) / sample.n_train,  # of what is not a network
        "evaluate": _evaluated(whole, epochs) / _evaluated(sliced, sample.n_evaluations),
    }
    phases = {name: s * factors.get(name, 1.0) for name, s in sample.phases.items()}
    if sample.n_evaluations:
        # Rows that go through a trained block whole cost what they are wide.
        upper = recipe.method.upper_blocks
        one_position = layout.last_block_at_read_positions and upper is not None and upper <= 1
        wider = 1.0 if layout.drop_padding or one_position else inputs.train.width / sample.inputs.train.width
        phases["train"] = sample.batch_s * _batches(len(inputs.train), recipe) * recipe.epochs * wider
    return phases


def _evaluated(positions: dict[str, int], epochs: int) -> int:
    """Positions that are predicted: validation texts after every epoch (without any, once), the others once."""
    return positions["train"] + positions["test"] + max(1, epochs) * positions["validation"]


def _batches(n_rows: int, recipe: Recipe) -> int:
    """Batches of an epoch; a last partial one is dropped."""
    return max(1, n_rows // recipe.batch_size)


def _positions(lengths: Tensor, width: int, layout: Layout) -> int:
    """Token positions that predicting rows of these lengths (N,) computes."""
    return int(lengths.sum()) if layout.one_by_one or layout.drop_padding else len(lengths) * width


def _deepened(
    phases: dict[str, float], recipe: Recipe, small: AnyConfig, config: AnyConfig, engine: Engine
) -> dict[str, float]:
    """The stand-in's seconds as those of the model: each phase by the blocks that it passes."""
    if small.n_blocks == config.n_blocks:
        return phases

    def blocks(n_layer: int) -> dict[str, float]:
        frozen = recipe.method.frozen_below(n_layer)
        above = n_layer - (frozen if engine.is_fast else 0)
        backward = n_layer - frozen
        # Backward costs twice what forward does.
        return {"trunk": frozen, "train": above + 2 * backward, "evaluate": above, "load": n_layer}

    few, all_of_them = blocks(small.n_blocks), blocks(config.n_blocks)
    factors = {name: all_of_them[name] / few[name] for name in few if few[name]}
    return {name: s * factors.get(name, 1.0) for name, s in phases.items()}
