"""The frozen part of a run, as a forecast needs it: what decides it, what it takes in memory, what it is made from."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from gptcore.backbones.info import BackboneInfo
from gptcore.data.ragged import Ragged
from gptcore.data.rows import batches_by_length, pooled
from gptcore.engine.engine import Engine
from gptcore.engine.layout import Layout
from gptcore.recipe import Recipe
from gptcore.training.inputs import Inputs
from gptcore.training.padding import paddings_of

ONE_POSITION = 0.05  # cost of a block that is computed at one position a row, as a share of a whole one's


@dataclass(frozen=True)
class TrunkNeed:
    """The frozen part of a run. Runs of equal `rows` (and seed of random weights) can share their blocks.

    rows: what decides the hidden states, with a digest of the texts, but depth and that seed; read: the position that
    is read where the whole backbone is frozen; depth: blocks in it; parts: bytes that the states of a set of texts take
    in memory, by what they are the states of; below: the trunk that it is made from where that is kept as well;
    last_block: what its topmost block costs, as a share of a whole one.
    """

    rows: Hashable
    read: str | None
    depth: int
    parts: Mapping[Hashable, int]
    below: TrunkNeed | None = None
    last_block: float = 1.0

    @property
    def states(self) -> TrunkNeed:
        """The part of it that leaves hidden states."""
        return self.below or self


@dataclass(frozen=True)
class PaddingNeed:
    """The test texts of a run under another padding, for which they are predicted once the run has ended.

    n_positions: that go through the blocks; of_test, of_all: what its states are in `TrunkNeed.parts`: of the test
    texts, and of all texts, where another run may have left them; None where nothing is frozen; n_bytes: that those of
    the test texts take.
    """

    n_positions: int
    of_test: Hashable | None
    of_all: Hashable | None
    n_bytes: int


def trunk_need(
    recipe: Recipe, inputs: Inputs, config: BackboneInfo, engine: Engine, paddings: Sequence[PaddingNeed]
) -> TrunkNeed | None:
    """What a run on these inputs wants of a trunk; None where it has none. paddings: its `padding_needs`."""
    depth = recipe.method.frozen_below(config.n_blocks)
    if depth == 0 or not engine.is_fast:
        return None
    layout, width = engine.layout(recipe, config), inputs.train.width
    pool, _ = pooled((inputs.train, inputs.validation, inputs.test))
    texts, last_position = Ragged.digest(inputs.cut.values()), inputs.train.last_position
    states_of = partial(_states, recipe, config, layout, width, last_position, texts)
    kept = _kept_blocks(depth, config)
    states = states_of(kept)
    parts: dict[Hashable, int] = {states: _state_bytes(pool.lengths, layout, width, config)}
    for padding in paddings:
        if padding.of_test is not None and padding.of_all != states:
            parts[padding.of_test] = padding.n_bytes
    if depth < config.n_blocks:
        return TrunkNeed(states, None, depth, parts)
    rows = states_of(depth)
    below = TrunkNeed(states, None, kept, parts) if kept > 0 else None
    last_block = ONE_POSITION if layout.last_block_at_read_positions else 1.0
    return TrunkNeed(rows, layout.position, depth, {rows: 4 * config.width * len(pool)}, below, last_block)


def padding_needs(
    recipe: Recipe, inputs: Inputs, config: BackboneInfo, engine: Engine
) -> tuple[PaddingNeed, ...]:
    """Of each padding that test texts are predicted under beside the run's own; none where no network is trained."""
    if recipe.trainer != "network":
        return ()
    depth = recipe.method.frozen_below(config.n_blocks)
    is_frozen = depth > 0 and engine.is_fast
    digests = [Ragged.digest([inputs.cut["test"]]), Ragged.digest(inputs.cut.values())] if is_frozen else []
    longest = max(1, *(int(part.lengths.max()) for part in inputs.cut.values()))
    found = []
    for padding in paddings_of(recipe, inputs, config, engine).to_predict():
        layout, length = padding.layout, padding.tokens_per_row or longest
        lengths, width = _laid_out(torch.from_numpy(inputs.cut["test"].lengths), length, longest, layout)
        last_position = length - 1 if layout.keep_one_pad else None
        states_of = partial(_states, recipe, config, layout, width, last_position)
        of_test, of_all = [states_of(texts, _kept_blocks(depth, config)) for texts in digests] or (None, None)
        n_bytes = _state_bytes(lengths, layout, width, config)
        found.append(PaddingNeed(n_positions(lengths, width, layout), of_test, of_all, n_bytes))
    return tuple(found)


def n_positions(lengths: Tensor, width: int, layout: Layout) -> int:
    """Token positions that predicting rows of these lengths (N,) computes."""
    return int(lengths.sum()) if layout.one_by_one or layout.drop_padding else len(lengths) * width


def _kept_blocks(depth: int, config: BackboneInfo) -> int:
    """Frozen blocks whose states are kept: features start from the states before the last block."""
    return min(depth, config.n_blocks - 1)


def _states(
    recipe: Recipe,
    config: BackboneInfo,
    layout: Layout,
    width: int,
    last_position: int | None,
    texts: str,
    depth: int,
) -> tuple[Hashable, ...]:
    """What decides the states before block `depth` of texts with this digest, but their weights."""
    how = layout.up_to(depth, config.n_blocks)
    masks = how.causal, how.causal_lower_half, how.mask_padding, how.drop_padding, how.side
    return recipe.model, *masks, width, last_position, texts


def _laid_out(lengths: Tensor, length: int, longest: int, layout: Layout) -> tuple[Tensor, int]:
    """Lengths (N,) of rows and their width, of texts of these lengths (N,) as `lay_out` makes rows of them."""
    lengths = lengths.clamp(min=1)
    if layout.first_token:
        return torch.ones_like(lengths), 1
    if layout.keep_one_pad:
        lengths, longest = (lengths + 1).clamp(max=length), longest + 1
    return lengths.clamp(max=length), min(length, longest) if layout.drop_padding else length


def _state_bytes(lengths: Tensor, layout: Layout, width: int, config: BackboneInfo) -> int:
    """What the states of rows of these lengths (N,) take; padding that is not computed is never touched."""
    if not layout.drop_padding:
        return 4 * config.width * len(lengths) * width
    batches = batches_by_length(lengths, width, drop_padding=True)
    return 4 * config.width * sum(len(batch) * int(lengths[batch].max()) for batch in batches)
