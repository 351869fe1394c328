"""A dataset's texts as rows of tokens, as a recipe wants them."""

from __future__ import annotations

from dataclasses import dataclass

from gptcore.data.batching import TokenRows, pad
from gptcore.data.datasets import Dataset
from gptcore.data.tokenizer import load_tokenizer
from gptcore.errors import UserError
from gptcore.finetune.recipe import Recipe
from gptcore.finetune.view import View
from gptcore.models.config import ModelConfig


@dataclass(frozen=True)
class Inputs:
    """The three splits as rows of tokens, and what became of the texts.

    tokenizer: its name; tokens_per_row: what rows are padded to, None where they keep their own length;
    mean_tokens: of the training texts, once cut; longest_tokens: the longest text of any split before it was
    cut; n_truncated: texts that were cut.
    """

    train: TokenRows
    validation: TokenRows
    test: TokenRows
    tokenizer: str
    tokens_per_row: int | None
    mean_tokens: float
    longest_tokens: int
    n_truncated: int


def prepare_inputs(data: Dataset, recipe: Recipe, view: View, config: ModelConfig) -> Inputs:
    """Tokenise and pad. Raises UserError where `context` asks for more tokens than the model can take."""
    tokenizer = load_tokenizer(config.tokenizer)
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    sequences = {name: tokenizer.encode_batch(split.texts) for name, split in splits.items()}
    longest = max(len(s) for rows in sequences.values() for s in rows)
    length = row_length(
        recipe, config, longest_training=max(len(s) for s in sequences["train"]), longest=longest
    )
    # Beyond the longest text there is only padding, which a view that trims does not look at.
    width = min(length, longest) if view.trim else length
    rows = {name: pad(sequences[name], max(1, width), tokenizer.pad_id, view.side) for name in splits}
    if view.first_token:
        rows = {name: split_rows.columns(1) for name, split_rows in rows.items()}
    return Inputs(
        **rows,
        tokenizer=tokenizer.name,
        mean_tokens=sum(min(len(s), length) for s in sequences["train"]) / len(sequences["train"]),
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
