"""Whether a recipe can be computed on a model, as far as the model's config tells. Imports no torch."""

from __future__ import annotations

from gptcore.backbones.info import BackboneInfo
from gptcore.errors import UserError
from gptcore.recipe import Recipe


def fit_obstacle(recipe: Recipe, info: BackboneInfo) -> str | None:
    """Why the recipe cannot be computed on a model of that kind, with a remedy; None where it can."""
    abilities = info.abilities
    native = "causal" if abilities.causal else "bidirectional"
    if recipe.attention == "bidirectional_upper_half" and not abilities.causal:
        return (
            f"attention = {recipe.attention!r}: {recipe.model} has no causal mask to take away, as it was pretrained "
            "both ways: use 'native'"
        )
    if recipe.attention not in ("native", native) and not abilities.turns:
        return (
            f"attention = {recipe.attention!r}: {recipe.model} attends in code of its own, which has one mask "
            f"({native}): use 'native'"
        )
    reads_padding = recipe.position in ("mean", "first" if recipe.padding == "left" else "last")
    if (
        not abilities.own_attention
        and not recipe.attend_padding
        and recipe.padding != "none"
        and reads_padding
    ):
        return (
            f"position = {recipe.position!r} with attend_padding = false: {recipe.model} hides padding in code of its "
            "own, where a pad token does not even see itself: use last_real or mean_real, or attend_padding = true"
        )
    frozen = recipe.method.frozen_below(info.n_blocks)
    reach = recipe.method.upper_blocks
    learns_above = reach not in (None, 0)
    if not abilities.trunk and (learns_above or 0 < frozen < info.n_blocks):
        return (
            f"train = {recipe.train_name}: {recipe.model} has no upper blocks to train alone, as its blocks cannot be "
            "computed one by one: use all, lora, last_layer or features"
        )
    if reach is not None and reach > info.n_blocks:
        return (
            f"train = {recipe.train_name}: it is about the upper {reach} blocks, and {recipe.model} has "
            f"{info.n_blocks}: use fewer, or all"
        )
    if recipe.method.adds_keys and not (abilities.own_attention and abilities.trunk):
        why = (
            "has one block that serves as all of them"
            if abilities.own_attention
            else "attends in code of its own"
        )
        return (
            f"train = {recipe.train_name}: {recipe.model} {why}, which takes no keys and values beside its own: use "
            "prompt or lora"
        )
    return None


def check_fit(recipe: Recipe, info: BackboneInfo) -> None:
    """Raises UserError where there is an obstacle."""
    if (obstacle := fit_obstacle(recipe, info)) is not None:
        raise UserError(obstacle)
