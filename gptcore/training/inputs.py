"""A dataset's texts as rows of tokens, as a recipe wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gptcore.backbones.info import BackboneInfo
from gptcore.data.datasets import Dataset
from gptcore.data.ragged import Ragged
from gptcore.data.rows import Rows, pad
from gptcore.data.tokenizer import Tokenizer, cut_tokens
from gptcore.engine.layout import Layout
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.training.coverage import check_coverage
from gptcore.training.tokenizing import tokenizer_of, tokenizer_with


@dataclass(frozen=True)
class Inputs:
    """The three splits as rows of tokens, and what became of the texts.

    cut: the tokens of each text, by split, cut and without padding; tokenizer, tokenizer_fingerprint: its name, and
    SHA-256 over it; length: what any text is cut to, and padded to
    unless rows keep their own length; tokens_per_row: what rows are padded to, None where they keep their own length;
    mean_tokens: of the training texts, once cut; longest_tokens: the longest text of any split before it was
    cut; n_truncated: texts that were cut; tokenizer_notes: what a user should know of the tokenizer.
    """

    train: Rows
    validation: Rows
    test: Rows
    cut: Mapping[str, Ragged]
    tokenizer: str
    tokenizer_fingerprint: str
    length: int
    tokens_per_row: int | None
    mean_tokens: float
    longest_tokens: int
    n_truncated: int
    tokenizer_notes: tuple[str, ...] = ()


Sequences = dict[str, list[list[int]]]  # the tokens of each text, by split


def tokenise(data: Dataset, model: str, n_prompt: int = 0) -> Sequences:
    """The texts of the three splits as the tokens of a model's own tokenizer. Raises UserError as that does.

    n_prompt: learned tokens before each text.
    """
    tokenizer = tokenizer_with(model, n_prompt)
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    return {name: tokenizer.encode_batch(split.texts) for name, split in splits.items()}


def prepare_inputs(
    data: Dataset, recipe: Recipe, layout: Layout, info: BackboneInfo, sequences: Sequences | None = None
) -> Inputs:
    """Tokenise and pad; sequences: what `tokenise` gave, if it was called already.

    Raises UserError where `context` asks for more tokens than the model can take, or where the vocabulary knows too
    little of the texts.
    """
    tokenizer = tokenizer_of(recipe)
    sequences = sequences or tokenise(data, recipe.model, recipe.method.n_prompt)
    fit_notes = check_coverage(tokenizer, data.train.texts, sequences["train"])
    longest = max(len(s) for rows in sequences.values() for s in rows)
    length = row_length(
        recipe, info, longest_training=max(len(s) for s in sequences["train"]), longest=longest
    )
    if length <= (around := len(tokenizer.prefix) + len(tokenizer.suffix)):
        raise UserError(
            f"context = {length}: {recipe.model} puts {around} special tokens around a text: use more than that"
        )
    cut = {name: [cut_tokens(tokenizer, s, length) for s in part] for name, part in sequences.items()}
    rows = {name: lay_out(part, length, longest, tokenizer.pad_id, layout) for name, part in cut.items()}
    return Inputs(
        **rows,
        cut={name: Ragged.of(part) for name, part in cut.items()},
        tokenizer=tokenizer.name,
        tokenizer_fingerprint=tokenizer.fingerprint,
        length=info.context if recipe.padding == "none" and recipe.context == "longest" else length,
        tokenizer_notes=(*tokenizer.notes, *fit_notes),
        mean_tokens=sum(min(len(s), length) for s in sequences["train"]) / len(sequences["train"]),
        tokens_per_row=None if recipe.padding == "none" else length,
        longest_tokens=longest,
        n_truncated=sum(len(s) > length for rows in sequences.values() for s in rows),
    )


def rows_of_sequences(
    sequences: Sequence[Sequence[int]], length: int, layout: Layout, tokenizer: Tokenizer
) -> Rows:
    """Token sequences as rows of `length` tokens at most, as `lay_out` makes them."""
    sequences = [cut_tokens(tokenizer, sequence, length) for sequence in sequences]
    longest = max(1, *map(len, sequences))
    return lay_out(sequences, longest if layout.one_by_one else length, longest, tokenizer.pad_id, layout)


def lay_out(
    sequences: Sequence[Sequence[int]], length: int, longest: int, pad_id: int, layout: Layout
) -> Rows:
    """Token sequences as rows of `length` tokens, without the columns that `layout` does not look at.

    longest: tokens of the longest sequence there is, also of other splits.
    """
    if layout.keep_one_pad:
        # An empty text has one padding token as its own, as `pad` does it.
        sequences = [[*(s or [pad_id]), pad_id] if len(s) < length else s for s in sequences]
        longest += 1
    # Beyond the longest text there is only padding, which a layout that drops padding does not look at.
    width = min(length, longest) if layout.drop_padding else length
    rows = pad(sequences, max(1, width), pad_id, layout.side)
    if layout.keep_one_pad:
        rows = replace(rows, last_position=length - 1)
    return rows.columns(1) if layout.first_token else rows


def row_length(recipe: Recipe, info: BackboneInfo, longest_training: int, longest: int) -> int:
    """Tokens in a row: the recipe's context, never more than the model's. Raises UserError."""
    if isinstance(recipe.context, int):
        if recipe.context > info.context:
            raise UserError(
                f"context = {recipe.context}: {recipe.model} takes at most {info.context} tokens; "
                "use that or less, 'longest' or 'model'"
            )
        return recipe.context
    if recipe.context == "model":
        return info.context
    # Without padding nothing is gained by cutting to the training texts: only the model's limit holds.
    wanted = longest if recipe.padding == "none" else longest_training
    return max(1, min(wanted, info.context))
