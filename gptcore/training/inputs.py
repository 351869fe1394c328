"""A dataset's texts as rows of tokens, as a recipe wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer
from gptcore.backbones.config import ModelConfig
from gptcore.data.datasets import Dataset
from gptcore.data.rows import TokenRows, pad
from gptcore.engine.layout import View
from gptcore.errors import UserError
from gptcore.recipe import Recipe


@dataclass(frozen=True)
class Inputs:
    """The three splits as rows of tokens, and what became of the texts.

    tokenizer: its name; tokens_per_row: what rows are padded to, None where they keep their own length;
    mean_tokens: of the training texts, once cut; longest_tokens: the longest text of any split before it was
    cut; n_truncated: texts that were cut; tokenizer_notes: what a user should know of the tokenizer.
    """

    train: TokenRows
    validation: TokenRows
    test: TokenRows
    tokenizer: str
    tokens_per_row: int | None
    mean_tokens: float
    longest_tokens: int
    n_truncated: int
    tokenizer_fingerprint: str | None = None
    tokenizer_notes: tuple[str, ...] = ()


def prepare_inputs(data: Dataset, recipe: Recipe, view: View, config: ModelConfig) -> Inputs:
    """Tokenise and pad. Raises UserError where `context` asks for more tokens than the model can take."""
    tokenizer = checkpoint_tokenizer(recipe.model)
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    sequences = {name: tokenizer.encode_batch(split.texts) for name, split in splits.items()}
    longest = max(len(s) for rows in sequences.values() for s in rows)
    length = row_length(
        recipe, config, longest_training=max(len(s) for s in sequences["train"]), longest=longest
    )
    rows = {name: lay_out(part, length, longest, tokenizer.pad_id, view) for name, part in sequences.items()}
    return Inputs(
        **rows,
        tokenizer=tokenizer.name,
        tokenizer_fingerprint=tokenizer.fingerprint,
        tokenizer_notes=tokenizer.notes,
        mean_tokens=sum(min(len(s), length) for s in sequences["train"]) / len(sequences["train"]),
        tokens_per_row=None if recipe.padding == "none" else length,
        longest_tokens=longest,
        n_truncated=sum(len(s) > length for rows in sequences.values() for s in rows),
    )


def lay_out(
    sequences: Sequence[Sequence[int]], length: int, longest: int, pad_id: int, view: View
) -> TokenRows:
    """Token sequences as rows of `length` tokens, without the columns that `view` does not look at.

    longest: tokens of the longest sequence there is, also of other splits.
    """
    if view.one_pad:
        # An empty text has one padding token as its own, as `pad` does it.
        sequences = [[*(s or [pad_id]), pad_id] if len(s) < length else s for s in sequences]
        longest += 1
    # Beyond the longest text there is only padding, which a view that trims does not look at.
    width = min(length, longest) if view.trim else length
    rows = pad(sequences, max(1, width), pad_id, view.side)
    if view.one_pad:
        rows = replace(rows, last_position=length - 1)
    return rows.columns(1) if view.first_token else rows


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
