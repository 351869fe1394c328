"""Which parameters learn."""

from __future__ import annotations

import torch

from gptcore.finetune.classifier import Classifier
from gptcore.finetune.lora import inject_lora

TRAINED_BLOCKS = {"last_layer": 0, "features": 0, "last_block": 1, "last_two_blocks": 2}


def set_trainable(classifier: Classifier, generator: torch.Generator) -> None:
    """Mark the parameters that the classifier's recipe trains; for `lora`, put the adapters in first.

    The head always learns. `last_block` and `last_two_blocks` include the final norm, as published.
    """
    recipe, gpt = classifier.recipe, classifier.gpt
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
    n_blocks = min(TRAINED_BLOCKS.get(recipe.train, 0), gpt.config.n_layer)
    if n_blocks:
        gpt.h[-n_blocks:].requires_grad_(True)
        gpt.ln_f.requires_grad_(True)


def trained_parameters(classifier: Classifier) -> list[torch.nn.Parameter]:
    """The parameters that learn, in the model's order."""
    return [p for p in classifier.parameters() if p.requires_grad]
