"""What stands for the whole in a probe: a slice of the data, and a model of the same width with fewer blocks."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gptcore.backbones.checkpoint_files import CONFIG_FILE, tokenizer_files
from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer
from gptcore.backbones.checkpoints import known_folder
from gptcore.backbones.hf_config import HFConfig
from gptcore.backbones.model_info import AnyConfig
from gptcore.backbones.weights import hf_config
from gptcore.data.datasets import Dataset, Split
from gptcore.recipe import Recipe

STAND_IN_PARAMS = 60_000_000  # a larger model is cut to fewer blocks for the probe


@dataclass(frozen=True)
class SliceSize:
    """How much of the data a probe fits. batches: of training, at least; the second epoch's are timed.

    evaluated: texts of validation and of test; stand_in: whether fewer blocks may stand for a large model; counted:
    texts of each split for TF-IDF, which is cheap and whose time is not in proportion to the texts; positions: of
    tokens in a split of the slice, at most (None: no limit): where rows are long, batches have fewer of them.
    """

    batches: int = 4
    evaluated: int = 32
    stand_in: bool = True
    counted: int = 2000
    positions: int | None = None

    def rows(self, batch_size: int, fewest_batches: int, positions_per_row: float) -> tuple[int, int, int]:
        """Rows of a training batch, batches of an epoch, rows of each other split."""
        n_batches = max(self.batches, fewest_batches)
        if self.positions is None:
            return batch_size, n_batches, self.evaluated
        most = max(1, int(self.positions / positions_per_row))
        rows = max(1, min(batch_size, most // n_batches))
        return rows, max(fewest_batches, min(n_batches, most // rows)), min(self.evaluated, most)


FORECAST_SIZE = SliceSize(positions=16_384)
WARM_UP_SIZE = replace(
    FORECAST_SIZE, batches=1, evaluated=1, counted=50
)  # enough to load and compile what a run needs


def slice_of(data: Dataset, *sizes: int) -> Dataset:
    """About so many texts of each split, from the shortest to the longest at even steps; some of every class."""

    def cut(split: Split, size: int) -> Split:
        by_length = sorted(range(len(split)), key=lambda i: len(split.texts[i]))
        labels = np.asarray(split.labels)
        n = min(max(1, size), len(split))
        chosen = [by_length[int((i + 0.5) * len(split) / n)] for i in range(n)]
        # A logistic regression cannot be fitted to one class, nor judge another than it was fitted to.
        missing = set(np.unique(labels).tolist()) - set(labels[chosen].tolist())
        shortest = {label: i for i, label in reversed([(i, int(labels[i])) for i in by_length])}
        chosen += [shortest[label] for label in sorted(missing)]
        return Split(tuple(split.texts[i] for i in chosen), labels[chosen])

    splits = (data.train, data.validation, data.test)
    train, validation, test = (cut(split, size) for split, size in zip(splits, sizes, strict=True))
    return replace(data, train=train, validation=validation, test=test)


def stand_in(config: AnyConfig, recipe: Recipe) -> AnyConfig:
    """The model itself, or one of its width with as many blocks as STAND_IN_PARAMS allows."""
    upper = recipe.method.upper_blocks  # and one below them; two blocks where all of them learn
    fewest = min(config.n_blocks, 1 + (1 if upper is None else upper))
    too_many = max(0, config.n_params - STAND_IN_PARAMS) / config.n_block_params
    return config.with_blocks(max(fewest, config.n_blocks - int(np.ceil(too_many))))


def write_stand_in(folder: Path, small: AnyConfig, model: str) -> None:
    """A checkpoint's folder without weights: the stand-in's shape, and the tokenizer of `model`."""
    original = known_folder(model)
    for file in tokenizer_files(original) if original is not None and small.tokenizer == "own" else ():
        shutil.copy(file, folder)
    if isinstance(small, HFConfig):
        config = json.loads(small.raw)
    else:
        config = hf_config(small) | {"pad_token_id": checkpoint_tokenizer(model).pad_id}
    (folder / CONFIG_FILE).write_text(json.dumps(config), encoding="utf-8")


def repeated(data: Dataset, times: int) -> Dataset:
    """With every training text so many times."""
    train = Split(data.train.texts * times, np.tile(np.asarray(data.train.labels), times))
    return replace(data, train=train)
