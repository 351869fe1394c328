"""Which parameters learn."""

from __future__ import annotations

import torch

from gptcore.engine.classifier import Classifier
from gptcore.methods.lora_layers import inject_lora
from gptcore.recipe import TRAINED_BLOCKS, Recipe


def frozen_depth(recipe: Recipe, n_layer: int) -> int:
    """Blocks from the bottom that stay as they are; n_layer where the final norm is frozen as well."""
    if recipe.train in ("all", "lora"):
        return 0
    return max(0, n_layer - TRAINED_BLOCKS[recipe.train])


def set_trainable(classifier: Classifier, recipe: Recipe, generator: torch.Generator) -> None:
    """Mark the parameters that a recipe trains; for `lora`, put the adapters in first.

    The head always learns. `last_block` and `last_two_blocks` include the final norm, as published.
    """
    gpt = classifier.backbone
    gpt.requires_grad_(recipe.train == "all")
    if recipe.train == "lora":
        inject_lora(
            gpt,
            rank=recipe.lora_rank,
            alpha=recipe.lora_alpha,
            dropout=recipe.lora_dropout,
            targets=recipe.lora_targets,
            scaling=recipe.lora_scaling,
            generator=generator,
        )
    if TRAINED_BLOCKS.get(recipe.train):
        gpt.blocks[frozen_depth(recipe, gpt.info.n_blocks) :].requires_grad_(True)
        gpt.tail.requires_grad_(True)
    for parameter in trained_parameters(classifier):
        # Not a view of the checkpoint's file, which may be transposed and must not be written to.
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)


def trained_parameters(classifier: Classifier) -> list[torch.nn.Parameter]:
    """The parameters that learn, in the model's order."""
    return [p for p in classifier.parameters() if p.requires_grad]
