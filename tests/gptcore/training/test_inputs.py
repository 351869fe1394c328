"""Texts as rows of tokens: how long rows are, what is cut, where padding goes."""

import numpy as np
import pytest

from gptcore.backbones.config import ModelConfig
from gptcore.data.datasets import Dataset, Split
from gptcore.data.tokenizer import load_tokenizer
from gptcore.engine.layout import plain_layout
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.training.inputs import Inputs, prepare_inputs

TOKENIZER = load_tokenizer("embedded")
CONFIG = ModelConfig(d_model=8, n_layer=1, n_head=1, context=20, vocab_size=8192, tokenizer="embedded")
TEXTS = {
    "train": ("the", "the house is in the water", "one two three four five six"),
    "validation": ("a longer text than there is among those to train on, by a few words",),
    "test": ("", "and " * 30),
}
N_TOKENS = {split: [len(TOKENIZER.encode(text)) for text in texts] for split, texts in TEXTS.items()}


@pytest.fixture
def data() -> Dataset:
    splits = [Split(texts, np.arange(len(texts)) % 2) for texts in TEXTS.values()]
    return Dataset("toy", *splits, ("ham", "spam"), "", "", split_seed=0, duplicates=0)


def prepare(data: Dataset, **choices: object) -> Inputs:
    recipe = Recipe(model="nano", **choices)
    return prepare_inputs(data, recipe, plain_layout(recipe), CONFIG)


def test_the_toy_texts_are_what_the_tests_need():
    assert max(N_TOKENS["train"]) < max(N_TOKENS["validation"]) < 20 < max(N_TOKENS["test"])


@pytest.mark.parametrize(
    ("context", "length"), [("longest", max(N_TOKENS["train"])), ("model", 20), (3, 3), (20, 20)]
)
@pytest.mark.parametrize("padding", ["right", "left"])
def test_rows_are_as_long_as_the_recipe_says(data, context, length, padding):
    inputs = prepare(data, context=context, padding=padding)
    assert inputs.tokens_per_row == length
    counts = [n for split in N_TOKENS.values() for n in split]
    assert inputs.n_truncated == sum(n > length for n in counts)
    assert inputs.longest_tokens == max(counts)
    assert inputs.mean_tokens == np.mean(np.minimum(N_TOKENS["train"], length))
    assert inputs.tokenizer == "embedded"
    for split, texts in TEXTS.items():
        rows = getattr(inputs, split)
        assert rows.width == length
        assert rows.side == padding
        for row, real, text in zip(rows.values, rows.real, texts, strict=True):
            assert row[real].tolist() == (TOKENIZER.encode(text)[:length] or [TOKENIZER.pad_id])
            assert (row[~real] == TOKENIZER.pad_id).all()


def test_without_padding_texts_keep_their_length_up_to_the_models(data):
    inputs = prepare(data, padding="none")
    assert inputs.tokens_per_row is None
    assert inputs.n_truncated == 1
    assert inputs.validation.lengths.tolist() == N_TOKENS["validation"]  # longer than any training text
    assert inputs.test.lengths.tolist() == [1, 20]
    assert prepare(data, padding="none", context=3).train.lengths.tolist() == [1, 3, 3]


def test_more_than_the_model_takes_is_refused(data):
    with pytest.raises(UserError, match="context = 21: nano takes at most 20 tokens; use that or less"):
        prepare(data, context=21)


def test_texts_without_tokens_make_rows_of_one():
    empty = Split(("", ""), np.array([0, 1]))
    data = Dataset("toy", empty, empty, empty, ("ham", "spam"), "", "", split_seed=0, duplicates=0)
    inputs = prepare(data)
    assert inputs.tokens_per_row == 1
    assert inputs.train.values.tolist() == [[TOKENIZER.pad_id]] * 2
