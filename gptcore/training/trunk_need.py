"""The frozen part of a run, as a forecast needs it: what decides it, what it takes in memory, what it is made from."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from torch import Tensor

from gptcore.backbones.info import BackboneInfo
from gptcore.data.rows import Rows, batches_by_length, pooled
from gptcore.engine.engine import Engine
from gptcore.engine.layout import Layout
from gptcore.recipe import Recipe
from gptcore.training.inputs import Inputs
from gptcore.training.padding import wanted_paddings

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


def trunk_need(recipe: Recipe, inputs: Inputs, config: BackboneInfo, engine: Engine) -> TrunkNeed | None:
    """What a run on these inputs wants of a trunk; None where it has none."""
    depth = recipe.method.frozen_below(config.n_blocks)
    if depth == 0 or not engine.is_fast:
        return None
    layout, width = engine.layout(recipe, config), inputs.train.width
    kept = min(depth, config.n_blocks - 1)  # features start from the states before the last block
    pool, _ = pooled((inputs.train, inputs.validation, inputs.test))
    texts = _digest(pool)
    states = (recipe.model, *_masks(layout, kept, config), width, texts)
    parts = _state_bytes(recipe, inputs, pool, config, engine, kept)
    if depth < config.n_blocks:
        return TrunkNeed(states, None, depth, parts)
    rows = (recipe.model, *_masks(layout, depth, config), width, texts)
    below = TrunkNeed(states, None, kept, parts) if kept > 0 else None
    last_block = ONE_POSITION if layout.last_block_at_read_positions else 1.0
    return TrunkNeed(rows, layout.position, depth, {rows: 4 * config.width * len(pool)}, below, last_block)


def _masks(layout: Layout, depth: int, config: BackboneInfo) -> tuple[Hashable, ...]:
    """What of a layout decides the states before block `depth`."""
    how = layout.up_to(depth, config.n_blocks)
    return how.causal, how.causal_lower_half, how.mask_padding, how.drop_padding, how.side


def _digest(rows: Rows) -> str:
    digest = hashlib.sha256(rows.values.numpy().tobytes())
    digest.update(rows.lengths.numpy().tobytes())
    return digest.hexdigest()


def _state_bytes(
    recipe: Recipe, inputs: Inputs, pool: Rows, config: BackboneInfo, engine: Engine, depth: int
) -> dict[Hashable, int]:
    """What the states of all texts take, and those of the test texts under other paddings, which stay as well.

    pool: the distinct rows of all texts.
    """
    found: dict[Hashable, int] = {}
    test = _digest(inputs.test)

    def states(layout: Layout, width: int) -> tuple[Hashable, ...]:
        return recipe.model, *_masks(layout, depth, config), width

    def n_bytes(lengths: Tensor, layout: Layout, width: int) -> int:
        # Padding that is not computed is never touched, so it takes no memory.
        n_positions = (
            _trimmed_positions(lengths.clamp(max=width), width)
            if layout.drop_padding
            else len(lengths) * width
        )
        return 4 * config.width * n_positions

    own, width = engine.layout(recipe, config), inputs.train.width
    found[_digest(pool), *states(own, width)] = n_bytes(pool.lengths, own, width)
    if recipe.trainer == "network":
        longest = int(pool.lengths.max())
        for padding, length in wanted_paddings(recipe, inputs, config):
            layout = engine.layout(recipe.model_copy(update={"padding": padding}), config)
            trimmed = 1 if layout.first_token else longest
            other = trimmed if layout.drop_padding or length is None else length
            if recipe.train_size is not None or states(layout, other) != states(own, width):
                found[test, *states(layout, other)] = n_bytes(inputs.test.lengths, layout, other)
    return found


def _trimmed_positions(lengths: Tensor, width: int) -> int:
    """Those of batches that are cut to their longest row, for which states are written."""
    batches = batches_by_length(lengths, width, drop_padding=True)
    return sum(len(batch) * int(lengths[batch].max()) for batch in batches)
