"""A loaded model cut to its lowest blocks for a while, so that a trial of its architecture takes less."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from torch import nn

from gptcore.backbones.huggingface import HFBackbone

_COUNTS_BLOCKS = ("idx", "index", "layer_id", "layer_number")  # in the names of a block's own number


@contextmanager
def shallow(backbone: HFBackbone, least: int) -> Iterator[None]:
    """While the context lasts, only the lowest blocks: at least `least`, and one of each kind that the model has.

    Weights, embeddings, norms and config stay the model's own.
    """
    n = blocks_of_each_kind(backbone.blocks, least)
    if not backbone.info.abilities.trunk or n >= len(backbone.blocks):
        yield
        return
    parent, _, name = backbone.path.rpartition(".")
    owner, whole, info = backbone.model.get_submodule(parent), backbone.blocks, backbone.info
    setattr(owner, name, nn.ModuleList(whole[:n]))
    backbone.info = info.model_copy(update={"n_blocks": n})
    try:
        yield
    finally:
        setattr(owner, name, whole)
        backbone.info = info


def blocks_of_each_kind(blocks: nn.ModuleList, least: int) -> int:
    """How many of the lowest blocks it takes to have `least` of them, and one of each kind."""
    kinds = [_kind(block) for block in blocks]
    return max(min(least, len(blocks)), *(1 + kinds.index(kind) for kind in kinds))


def _kind(block: nn.Module) -> Hashable:
    """What tells blocks of a model apart, such as windows: the plain values of their modules, but for their number."""
    return frozenset(
        (name, type(module), key, value)
        for name, module in block.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, bool | int | float | str | None)
        and not any(part in key for part in _COUNTS_BLOCKS)
    )
