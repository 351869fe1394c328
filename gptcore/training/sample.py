"""A slice of a run as it was timed, and what it tells of the whole: phase by phase, and of what follows the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from gptcore.backbones.model_info import AnyConfig
from gptcore.data.datasets import Dataset
from gptcore.data.subset import with_train_size
from gptcore.engine.engine import Engine
from gptcore.engine.layout import Layout
from gptcore.recipe import Recipe
from gptcore.result import CutTexts
from gptcore.training.costs import estimate_memory
from gptcore.training.inputs import Inputs, Sequences, prepare_inputs, row_length, tokenise
from gptcore.training.trunk_need import PaddingNeed, TrunkNeed, n_positions, padding_needs, trunk_need

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class PaddingCost:
    """Seconds of the test texts under another padding: in blocks whose states may be there, and in the others."""

    need: PaddingNeed
    frozen_s: float
    above_s: float


@dataclass(frozen=True)
class Probe:
    """What a run costs alone. phases: seconds by name; trunk: the part that it may find ready, if any.

    tokens_per_row: width of the rows that are computed; own_bytes: peak memory that it adds, trunks left out; cut: how
    many texts are longer than what is read of them; paddings: that its test texts are also predicted under, None where
    no network is trained; text_s: seconds of a text with the trained classifier; n_ways: that it is timed in, see
    `serving_time.expected_s`.
    """

    phases: dict[str, float]
    trunk: TrunkNeed | None = None
    tokens_per_row: int = 1
    own_bytes: int = 0
    cut: CutTexts | None = None
    paddings: tuple[PaddingCost, ...] | None = None
    text_s: float = 0.0
    n_ways: int = 1


Tokenise = Callable[[Dataset, str, int], tuple[Sequences, float]]  # with the seconds it took


def timed_tokenise(data: Dataset, model: str, n_prompt: int) -> tuple[Sequences, float]:
    """What `tokenise` gives, and how many seconds it takes."""
    began = time.perf_counter()
    return tokenise(data, model, n_prompt), time.perf_counter() - began


@dataclass(frozen=True, eq=False)
class Sample:
    """A slice of a run as it was timed, and what it tells of the run on any split of the data.

    config, small: of the model and of what stood for it, None for TF-IDF; phases: the slice's seconds; inputs: its
    rows; n_train: its training texts; batch_s: seconds of a batch; n_evaluations: of the validation texts; text_s: of
    TF-IDF, seconds of a text; n_ways: see `Probe`; too_large_for: free bytes, where the run needs more and nothing was
    timed.
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
    text_s: float = 0.0
    n_ways: int = 1
    too_large_for: int | None = None

    def of(self, data: Dataset, tokenise: Tokenise = timed_tokenise) -> Probe:
        """What the whole run costs on `data`, which may be split in another way than what was sampled."""
        data = with_train_size(data, self.recipe.train_size)
        if self.config is None or self.small is None:
            phases = {name: s * len(data.train) / self.n_train for name, s in self.phases.items()}
            return Probe(phases, text_s=self.text_s)
        sequences, tokenise_s = tokenise(data, self.recipe.model, self.recipe.method.n_prompt)
        inputs = prepare_inputs(data, self.recipe, self.layout, self.config, sequences)
        own_bytes = self.own_bytes(inputs, len(data.label_names))
        if self.too_large_for is not None and own_bytes <= self.too_large_for:
            return Probe({})  # on this split it fits, and its time is not known
        phases = _deepened(_scaled(self, inputs), self.recipe, self.small, self.config, self.engine)
        needs = padding_needs(self.recipe, inputs, self.config, self.engine)
        frozen_s, above_s = _position_seconds(self, inputs, phases)
        test_positions = _positions_of(inputs, self)["test"]
        return Probe(
            phases | {"tokenise": tokenise_s},
            trunk_need(self.recipe, inputs, self.config, self.engine, needs),
            inputs.train.width,
            own_bytes,
            _cut(inputs, self.recipe, self.config),
            tuple(
                PaddingCost(need, frozen_s * need.n_positions, above_s * need.n_positions) for need in needs
            )
            if self.recipe.trainer == "network"
            else None,
            (frozen_s + above_s) * test_positions / len(inputs.test),
            self.n_ways,
        )

    @property
    def layout(self) -> Layout:
        """The run's own."""
        assert self.config is not None
        return self.engine.layout(self.recipe, self.config)

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


def _scaled(sample: Sample, inputs: Inputs) -> dict[str, float]:
    """The slice's seconds as those of the whole data: train by batches, what follows it by positions."""
    assert sample.inputs is not None
    recipe, layout = sample.recipe, sample.layout
    whole, sliced = (_positions_of(of, sample) for of in (inputs, sample.inputs))
    epochs = recipe.epochs if sample.n_evaluations else 0
    factors = {
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
        phases["train"] = sample.batch_s * n_batches(len(inputs.train), recipe) * recipe.epochs * wider
    return phases


def _positions_of(inputs: Inputs, sample: Sample) -> dict[str, int]:
    """Token positions that predicting each split once computes, in the run's own layout."""
    width = inputs.train.width
    return {name: n_positions(getattr(inputs, name).lengths, width, sample.layout) for name in SPLITS}


def _position_seconds(sample: Sample, inputs: Inputs, phases: dict[str, float]) -> tuple[float, float]:
    """Seconds of a position in the frozen blocks, and above them, of texts that are predicted from their tokens."""
    positions = _positions_of(inputs, sample)
    frozen_s = phases.get("trunk", 0.0) / sum(positions.values())
    if not sample.n_evaluations:  # of what is not a network the rest does not go by positions
        return frozen_s, 0.0
    return frozen_s, phases.get("evaluate", 0.0) / _evaluated(positions, sample.recipe.epochs)


def _evaluated(positions: dict[str, int], epochs: int) -> int:
    """Positions that are predicted: validation texts after every epoch (without any, once), the others once."""
    return positions["train"] + positions["test"] + max(1, epochs) * positions["validation"]


def n_batches(n_rows: int, recipe: Recipe) -> int:
    """Batches of an epoch; a last partial one is dropped."""
    return max(1, n_rows // recipe.batch_size)


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
        return {
            "trunk": frozen,
            "train": above + 2 * backward,
            "evaluate": above,
            "load": n_layer,
            "verify": n_layer,
        }

    few, all_of_them = blocks(small.n_blocks), blocks(config.n_blocks)
    factors = {name: all_of_them[name] / few[name] for name in few if few[name]}
    return {name: s * factors.get(name, 1.0) for name, s in phases.items()}
