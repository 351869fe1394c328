"""Texts as a model reads them: cut at its context. For what reads whole texts, to be compared on the same input."""

from __future__ import annotations

from dataclasses import replace

from gptcore.backbones.checkpoints import known_config
from gptcore.data.datasets import Dataset, Split
from gptcore.data.subset import with_train_size
from gptcore.data.tokenizer import cut_tokens, without_specials
from gptcore.recipe import Recipe
from gptcore.result import CutTexts
from gptcore.training.inputs import Sequences, row_length, tokenise
from gptcore.training.tokenizing import tokenizer_of


def cut_texts(
    data: Dataset, recipe: Recipe, sequences: Sequences | None = None
) -> tuple[Dataset, CutTexts] | None:
    """The texts that `recipe`'s model reads, decoded from their first tokens, and how many of them were cut.

    Texts that are not cut stay as they are. sequences: what `tokenise` gave, if it was called already. None where the
    model's shape is not known yet. Raises UserError where its vocabulary cannot be loaded, or the recipe does not fit
    the model.
    """
    config = known_config(recipe.model)
    if config is None:
        return None
    tokenizer = tokenizer_of(recipe)
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    sequences = sequences or tokenise(data, recipe.model, recipe.method.n_prompt)
    used, part = sequences["train"], with_train_size(data, recipe.train_size)
    if part is not data:
        used = tokenizer.encode_batch(part.train.texts)
    longest = max(len(row) for rows in sequences.values() for row in rows)
    length = row_length(recipe, config, max(map(len, used)), longest)

    def beginning(row: list[int]) -> str:
        return tokenizer.decode(without_specials(tokenizer, cut_tokens(tokenizer, row, length)))

    def cut(split: Split, rows: list[list[int]]) -> Split:
        texts = (
            text if len(row) <= length else beginning(row)
            for text, row in zip(split.texts, rows, strict=True)
        )
        return replace(split, texts=tuple(texts))

    n_cut = sum(len(row) > length for rows in sequences.values() for row in rows)
    found = CutTexts(n_cut, sum(map(len, sequences.values())), length)
    train, validation, test = (cut(split, sequences[name]) for name, split in splits.items())
    return replace(data, train=train, validation=validation, test=test), found
