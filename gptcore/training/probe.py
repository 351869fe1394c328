"""What a recipe will cost on this machine, found by fitting a small slice of the data with the real code.

A slice has rows of every length, few batches and two epochs; what is measured on it is scaled to the whole
data, phase by phase. A large model is stood for by one of the same width with fewer blocks. Weights are
random, so nothing is downloaded.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gptcore.backbones.checkpoint_files import CONFIG_FILE, tokenizer_files
from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer
from gptcore.backbones.checkpoints import known_config, known_folder
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.weights import hf_config
from gptcore.data.datasets import Dataset, Split
from gptcore.data.rows import batches_by_length
from gptcore.engine.cuda_graph import WARM_UP
from gptcore.engine.engine import Engine
from gptcore.engine.layout import View
from gptcore.methods.trainable import frozen_depth
from gptcore.recipe import TRAINED_BLOCKS, Recipe
from gptcore.training.fit import FitResult, fit
from gptcore.training.inputs import Inputs, prepare_inputs
from gptcore.training.padding import wanted_paddings

TFIDF_TEXTS = 2000  # TF-IDF is cheap, and its time is not in proportion to the texts
SHORT_S = 0.2  # an epoch below it is timed again with its texts repeated
MOST_TIMES = 30  # they are
ONE_POSITION = 0.05  # cost of a block that is computed at one position a row, as a share of a whole one's
STAND_IN_PARAMS = 60_000_000  # a larger model is cut to fewer blocks for the probe
_SPLITS = ("train", "validation", "test")
# What changes neither the time of a step nor the memory, at harmless values: recipes that differ in nothing
# else share a probe. Patience may end a run early; the whole of it is foretold.
_NEUTRAL = {
    **{"weights": "random", "lr": 1e-6, "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0},
    **{"lora_alpha": 1.0, "lora_scaling": "alpha/rank", "patience": None},
}


@dataclass(frozen=True)
class SliceSize:
    """How much of the data a probe fits. batches: of training, at least; the second epoch's are timed.

    evaluated: texts of validation and of test; stand_in: whether fewer blocks may stand for a large model.
    """

    batches: int = 4
    evaluated: int = 32
    stand_in: bool = True


@dataclass(frozen=True)
class TrunkNeed:
    """The frozen part of a run. Runs of equal `rows` (and seeds of weights and split) can share their blocks.

    rows: what decides the hidden states, but depth and seeds; read: the position that is read where the
    whole backbone is frozen; depth: blocks in it; parts: bytes that the states of a set of texts take in memory,
    by what they are the states of; below: the trunk that it is made from where that is kept as well; last_block:
    what its topmost block costs, as a share of a whole one.
    """

    rows: Hashable
    read: str | None
    depth: int
    parts: Mapping[Hashable, int]
    below: TrunkNeed | None = None
    last_block: float = 1.0


@dataclass(frozen=True)
class Probe:
    """What a run costs alone. phases: seconds by name; trunk: the part that it may find ready, if any.

    tokens_per_row: width of the rows that are computed; n_used_tokens: distinct tokens of all texts.
    """

    phases: dict[str, float]
    trunk: TrunkNeed | None = None
    tokens_per_row: int = 1
    n_used_tokens: int = 1


def is_logistic(recipe: Recipe) -> bool:
    """Whether a logistic regression is the classifier, and no network."""
    return recipe.is_tfidf or recipe.train == "features"


def cost_id(recipe: Recipe) -> str:
    """Equal for recipes that one probe can stand for."""
    return recipe.model_copy(update=_NEUTRAL).id


def probe(recipe: Recipe, data: Dataset, engine: Engine, device: str, size: SliceSize = SliceSize()) -> Probe:
    """Time a slice of the run and scale it up. engine: the kind and precision to time; its trunks stay untouched.

    Raises UserError where the model's shape or its vocabulary cannot be had.
    """
    sample = take_sample(recipe, data, engine, device, size)
    return Probe({}) if sample is None else sample.of(data)


@dataclass(frozen=True, eq=False)
class Sample:
    """A slice of a run as it was timed, and what it tells of the run on any split of the data.

    config, small: of the model and of what stood for it, None for TF-IDF; phases: the slice's seconds; inputs: its
    rows; n_train: its training texts; batch_s: seconds of a batch; n_evaluations: of the validation texts.
    """

    recipe: Recipe
    engine: Engine
    config: ModelConfig | None
    small: ModelConfig | None
    phases: dict[str, float]
    inputs: Inputs | None
    n_train: int
    batch_s: float
    n_evaluations: int

    def of(self, data: Dataset) -> Probe:
        """What the whole run costs on `data`, which may be split in another way than what was sampled."""
        if self.config is None or self.small is None:
            return Probe({name: s * len(data.train) / self.n_train for name, s in self.phases.items()})
        began = time.perf_counter()
        inputs = prepare_inputs(data, self.recipe, self.engine.view(self.recipe), self.config)
        tokenise_s = time.perf_counter() - began
        phases = _deepened(_scaled(self, inputs), self.recipe, self.small, self.config, self.engine)
        tokens = torch.cat([part.tokens.flatten() for part in (inputs.train, inputs.validation, inputs.test)])
        return Probe(
            phases | {"tokenise": tokenise_s},
            _trunk_need(self.recipe, inputs, self.config, self.engine),
            inputs.train.width,
            len(torch.unique(tokens)),
        )


def take_sample(
    recipe: Recipe, data: Dataset, engine: Engine, device: str, size: SliceSize = SliceSize()
) -> Sample | None:
    """Fit a slice of `data`; None where the model's shape is not known. Raises UserError as `probe` does."""
    fresh = Engine(engine.name, engine.precision)
    if recipe.is_tfidf:
        part = _slice(data, TFIDF_TEXTS, TFIDF_TEXTS, TFIDF_TEXTS)
        result = fit(recipe, part, 0, fresh, device)
        return Sample(recipe, fresh, None, None, result.phases, None, len(part.train), 0.0, 0)
    config = known_config(recipe.model)
    if config is None:
        return None
    inputs = prepare_inputs(data, recipe, engine.view(recipe), config)
    small = _stand_in(config, recipe) if size.stand_in else config
    # On a GPU the steps of the second epoch, which is timed, should be recorded ones.
    n_steps = WARM_UP + 1 if torch.device(device).type == "cuda" else 1
    n_train = recipe.batch_size * max(size.batches, n_steps * recipe.accumulation)
    part = _slice(data, n_train, size.evaluated, size.evaluated)
    with tempfile.TemporaryDirectory(prefix="gptcore-probe-") as folder:
        _write_stand_in(Path(folder), small, recipe.model)
        context = inputs.tokens_per_row or recipe.context
        cheap = recipe.model_copy(update=_NEUTRAL | {"model": folder, "context": context, "epochs": 2})
        result = fit(cheap, part, 0, fresh, device)
        batch_s = _batch_seconds(result, len(part.train))
        if result.epochs and (epoch_s := batch_s * _batches(len(part.train), recipe)) < SHORT_S:
            # What an epoch takes beside its batches would count for too much. Equal texts cost no trunk.
            times = min(MOST_TIMES, 1 + int(SHORT_S / epoch_s))
            longer = fit(cheap, _repeated(part, times), 0, fresh, device)
            batch_s = _batch_seconds(longer, times * len(part.train))
    return Sample(
        *(recipe, Engine(engine.name, engine.precision), config, small, result.phases, result.inputs),
        *(len(part.train), batch_s, len(result.epochs)),
    )


def _write_stand_in(folder: Path, small: ModelConfig, model: str) -> None:
    """A checkpoint's folder without weights: the stand-in's shape, and the tokenizer of `model`."""
    original = known_folder(model)
    for file in tokenizer_files(original) if original is not None and small.tokenizer == "own" else ():
        shutil.copy(file, folder)
    config = hf_config(small) | {"pad_token_id": checkpoint_tokenizer(model).pad_id}
    (folder / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")


def _batch_seconds(result: FitResult, n_train: int) -> float:
    """Seconds of a training batch of the second epoch, as the first warms up; 0 where there is none."""
    if not result.epochs:
        return 0.0
    first, second = result.epochs
    return (second.train_s - first.train_s) / _batches(n_train, result.recipe)


def _repeated(data: Dataset, times: int) -> Dataset:
    """With every training text so many times."""
    train = Split(data.train.texts * times, np.tile(np.asarray(data.train.labels), times))
    return replace(data, train=train)


def _slice(data: Dataset, *sizes: int) -> Dataset:
    """About so many texts of each split, from the shortest to the longest at even steps; some of every class."""

    def cut(split: Split, size: int) -> Split:
        by_length = sorted(range(len(split)), key=lambda i: len(split.texts[i]))
        labels = np.asarray(split.labels)
        n = min(max(1, size), len(split))
        chosen = [by_length[int((i + 0.5) * len(split) / n)] for i in range(n)]
        # A logistic regression cannot be fitted to one class, nor judge another than it was fitted to.
        missing = set(np.unique(labels).tolist()) - set(labels[chosen].tolist())
        chosen += [next(i for i in by_length if labels[i] == label) for label in sorted(missing)]
        return Split(tuple(split.texts[i] for i in chosen), labels[chosen])

    splits = (data.train, data.validation, data.test)
    train, validation, test = (cut(split, size) for split, size in zip(splits, sizes, strict=True))
    return replace(data, train=train, validation=validation, test=test)


def _stand_in(config: ModelConfig, recipe: Recipe) -> ModelConfig:
    """The model itself, or one of its width with as many blocks as STAND_IN_PARAMS allows."""
    fewest = min(config.n_layer, 1 + TRAINED_BLOCKS.get(recipe.train, 1))
    too_many = max(0, config.n_params - STAND_IN_PARAMS) / config.n_block_params
    return config.model_copy(update={"n_layer": max(fewest, config.n_layer - int(np.ceil(too_many)))})


def _scaled(sample: Sample, inputs: Inputs) -> dict[str, float]:
    """The slice's seconds as those of the whole data: train by batches, what follows it by positions."""
    assert sample.inputs is not None
    recipe, view = sample.recipe, sample.engine.view(sample.recipe)
    whole, sliced = (
        {name: _positions(getattr(of, name).lengths, of.train.width, view) for name in _SPLITS}
        for of in (inputs, sample.inputs)
    )
    epochs = recipe.epochs if sample.n_evaluations else 0
    factors = {
        "load": 1.0,
        "other": 1.0,
        "trunk": sum(whole.values()) / sum(sliced.values()),
        "train": len(inputs.train) / sample.n_train,  # of what is no network
        "evaluate": _evaluated(whole, epochs) / _evaluated(sliced, sample.n_evaluations),
    }
    phases = {name: s * factors.get(name, 1.0) for name, s in sample.phases.items()}
    if sample.n_evaluations:
        # Rows that go through a trained block whole cost what they are wide.
        one_position = view.read_only and recipe.train in ("last_layer", "last_block")
        wider = 1.0 if view.trim or one_position else inputs.train.width / sample.inputs.train.width
        phases["train"] = sample.batch_s * _batches(len(inputs.train), recipe) * recipe.epochs * wider
    return phases


def _evaluated(positions: dict[str, int], epochs: int) -> int:
    """Positions that are predicted: validation texts after every epoch (without any, once), the others once."""
    return positions["train"] + positions["test"] + max(1, epochs) * positions["validation"]


def _batches(n_rows: int, recipe: Recipe) -> int:
    """Batches of an epoch; a last partial one is dropped."""
    return max(1, n_rows // recipe.batch_size)


def _positions(lengths: Tensor, width: int, view: View) -> int:
    """Token positions that predicting rows of these lengths (N,) computes."""
    return int(lengths.sum()) if view.one_by_one or view.trim else len(lengths) * width


def _trimmed_positions(lengths: Tensor, width: int) -> int:
    """Those of batches that are cut to their longest row, for which states are written."""
    batches = batches_by_length(lengths, width, trim=True)
    return sum(len(batch) * int(lengths[batch].max()) for batch in batches)


def _deepened(
    phases: dict[str, float], recipe: Recipe, small: ModelConfig, config: ModelConfig, engine: Engine
) -> dict[str, float]:
    """The stand-in's seconds as those of the model: each phase by the blocks that it passes."""
    if small.n_layer == config.n_layer:
        return phases

    def blocks(n_layer: int) -> dict[str, float]:
        frozen = frozen_depth(recipe, n_layer)
        above = n_layer - (frozen if engine.skips else 0)
        backward = n_layer - frozen
        # Backward costs twice what forward does.
        return {"trunk": frozen, "train": above + 2 * backward, "evaluate": above, "load": n_layer}

    few, all_of_them = blocks(small.n_layer), blocks(config.n_layer)
    factors = {name: all_of_them[name] / few[name] for name in few if few[name]}
    return {name: s * factors.get(name, 1.0) for name, s in phases.items()}


def _trunk_need(recipe: Recipe, inputs: Inputs, config: ModelConfig, engine: Engine) -> TrunkNeed | None:
    depth = frozen_depth(recipe, config.n_layer)
    if depth == 0 or not engine.skips:
        return None
    view, width = engine.view(recipe), inputs.train.width
    rows = (recipe.model, view.causal, view.mask_padding, view.trim, view.side, width)
    parts = _state_bytes(recipe, inputs, config, engine)
    if depth < config.n_layer:
        return TrunkNeed(rows, None, depth, parts)
    below = TrunkNeed(rows, None, depth - 1, parts) if depth > 1 else None
    n_rows = len(inputs.train) + len(inputs.validation) + len(inputs.test)
    last_block = ONE_POSITION if view.read_only else 1.0
    return TrunkNeed(rows, view.position, depth, {rows: 4 * config.d_model * n_rows}, below, last_block)


def _state_bytes(recipe: Recipe, inputs: Inputs, config: ModelConfig, engine: Engine) -> dict[Hashable, int]:
    """What the states of each split take, and those of the test texts under other paddings, which stay as well."""
    found: dict[Hashable, int] = {}

    def add(split: str, view: View, width: int) -> None:
        lengths = getattr(inputs, split).lengths
        key = (recipe.model, split, view.causal, view.mask_padding, view.trim, view.side, width)
        # Padding that is not computed is never touched, so it takes no memory.
        n_positions = (
            _trimmed_positions(lengths.clamp(max=width), width) if view.trim else len(lengths) * width
        )
        found[key] = 4 * config.d_model * n_positions

    for split in _SPLITS:
        add(split, engine.view(recipe), inputs.train.width)
    if recipe.train != "features":
        longest = int(inputs.test.lengths.max())
        for padding, length in wanted_paddings(recipe, inputs, config):
            view = engine.view(recipe.model_copy(update={"padding": padding}))
            trimmed = 1 if view.first_token else longest
            add("test", view, trimmed if view.trim or length is None else length)
    return found
