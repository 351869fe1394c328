"""A dataset's texts as rows of tokens, as a recipe wants them."""

from __future__ import annotations

from dataclasses import dataclass

from gptcore.data.batching import pad
from gptcore.data.datasets import Dataset
from gptcore.data.tokenizer import load_tokenizer
from gptcore.errors import UserError
from gptcore.finetune.recipe import Recipe
from gptcore.finetune.train import Labelled
from gptcore.models.config import ModelConfig


@dataclass(frozen=True)
class Inputs:
    """The three splits as rows of tokens, and what became of the texts.

    tokens_per_row: what rows are padded to, None where they keep their own length; longest_tokens: the longest
    text of any split before cutting; n_truncated: texts that were cut.
    """

    train: Labelled
    validation: Labelled
    test: Labelled
    tokens_per_row: int | None
    longest_tokens: int
    n_truncated: int


def prepare_inputs(data: Dataset, recipe: Recipe, config: ModelConfig) -> Inputs:
    """Tokenise and pad. Raises UserError where `context` asks for more tokens than the model can take."""
    tokenizer = load_tokenizer(config.tokenizer)
    splits = {name: getattr(data, name) for name in ("train", "validation", "test")}
    sequences = {name: tokenizer.encode_batch(split.texts) for name, split in splits.items()}
    longest = max(len(s) for rows in sequences.values() for s in rows)
    length = row_length(recipe, config, longest_training=max(len(s) for s in sequences["train"]), longest=longest)
    side = "left" if recipe.padding == "left" else "right"
    labelled = {
        name: Labelled(pad(sequences[name], length, tokenizer.pad_id, side), splits[name].labels)
        for name in splits
    }
    return Inputs(
        **labelled,
        tokens_per_row=None if recipe.padding == "none" else length,
        longest_tokens=longest,
        n_truncated=sum(len(s) > length for rows in sequences.values() for s in rows),
    )


def row_length(recipe: Recipe, config: ModelConfig, longest_training: int, longest: int) -> int:
    """Tokens in a row: the recipe's context, never more than the model's. Raises UserError."""
    if isinstance(recipe.context, int):
        if recipe.context > config.context:
            raise UserError(
                f"context = {recipe.context}: {recipe.model} takes at most {config.context} tokens; "
                "use that or less, 'longest' or 'model'"
            )
        return recipe.context
    if recipe.context == "model":
        return config.context
    # Without padding nothing is gained by cutting to the training texts: only the model's limit holds.
    wanted = longest if recipe.padding == "none" else longest_training
    return max(1, min(wanted, config.context))
