"""Whether a recipe can be trained by several processes at a time, as far as the recipe tells. Imports no torch."""

from __future__ import annotations

from gptcore.backbones.info import BackboneInfo
from gptcore.recipe import Recipe


def sharding_obstacle(recipe: Recipe, info: BackboneInfo | None = None) -> str | None:
    """Why a recipe's model cannot be divided among processes; None where it can.

    info: of its model, where that is known.
    """
    train = f"train = {recipe.train_name}"
    if recipe.backbone is None:
        return f"model = {recipe.model!r} has no network to divide"
    if recipe.trainer != "network" or recipe.method.upper_blocks is not None:
        return f"{train}: its frozen blocks are computed once, which one process does with little memory"
    if (reason := recipe.method.sharding_obstacle) is not None:
        return f"{train}: {reason}"
    if info is not None and not info.abilities.trunk:
        return f"model = {recipe.model!r}: one block serves as all of them"
    return None
