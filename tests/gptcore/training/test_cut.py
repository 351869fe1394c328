"""Texts as a model reads them, against its tokens."""

from dataclasses import replace

import numpy as np
import pytest

from gptcore.backbones.config import REGISTRY
from gptcore.data.datasets import Dataset, Split
from gptcore.data.tokenizer import load_tokenizer
from gptcore.engine.engine import Engine
from gptcore.recipe import Recipe
from gptcore.result import CutTexts
from gptcore.training.cut import cut_texts
from gptcore.training.inputs import prepare_inputs

SHORT, LONG = "see you at home", "win a free prize now, call us today and again tomorrow"


def split(*texts: str) -> Split:
    return Split(texts, np.arange(len(texts)) % 2)


DATA = Dataset(
    *("toy", split(SHORT, LONG, LONG + " 🎉"), split(SHORT, SHORT), split(LONG, SHORT), ("a", "b"), "", ""),
    split_seed=0,
    duplicates=0,
)


@pytest.mark.parametrize("padding", ["right", "left", "none"])
def test_long_texts_keep_their_first_tokens(padding: str) -> None:
    recipe = Recipe(model="nano", context=6, padding=padding)
    found = cut_texts(DATA, recipe)
    assert found is not None
    texts, cut = found
    assert cut == CutTexts(3, 7, 6)
    tokenizer = load_tokenizer("embedded")
    assert texts.train.texts[0] == SHORT
    assert texts.train.texts[1] == texts.test.texts[0] == tokenizer.decode(tokenizer.encode(LONG)[:6])
    assert LONG.startswith(texts.train.texts[1])
    inputs = prepare_inputs(
        DATA, recipe, Engine("plain").layout(recipe, REGISTRY["nano"].config), REGISTRY["nano"].config
    )
    assert inputs.n_truncated == cut.n_cut


def test_longest_is_the_longest_training_text() -> None:
    data = replace(DATA, train=split(SHORT, SHORT))
    found = cut_texts(data, Recipe(model="nano"))
    assert found is not None
    assert found[0].validation.texts == data.validation.texts
    assert found[1] == CutTexts(1, 6, len(load_tokenizer("embedded").encode(SHORT)))


@pytest.mark.parametrize(
    ("cut", "text"),
    [
        (CutTexts(120, 120, 256), "120 of 120 texts (100%) are longer than 256 tokens"),
        (CutTexts(23, 1494, 1024), "23 of 1,494 texts (1.5%) are longer than 1,024 tokens"),
        (CutTexts(1, 1494, 64), "1 of 1,494 texts (0.067%) are longer than 64 tokens"),
    ],
)
def test_what_is_said_of_them(cut: CutTexts, text: str) -> None:
    assert str(cut) == text
    assert cut.matters == (cut.n_cut > 1)
