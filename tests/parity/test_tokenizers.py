"""A checkpoint's own tokenizer gives the ids that `transformers` gives, whatever files it lies in."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer

GERMAN = [
    "Der Himmel über der Straße ist wunderbar, und die Äpfel schmecken nach Sommer.",
    "Die Lehrerin liest die Zeitung; das Wetter wird schrecklich, sagt der Bericht.",
    "Übermorgen öffnet die Schule, hören wir. Größe und Süße, Maß und Fuß!",
]
CONFIG = {"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 16, "vocab_size": 400}


def train_bpe(prefix_space: bool = False) -> Tokenizer:
    """A small byte-level BPE of German with three special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=380,
        special_tokens=["<|endoftext|>", "<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(GERMAN * 20, trainer)
    return tokenizer


def as_tokenizer_json(folder: Path) -> None:
    train_bpe().save(str(folder / "tokenizer.json"))


def as_vocab_and_merges(folder: Path) -> None:
    train_bpe().model.save(str(folder))


def as_transformers_saves_it(folder: Path) -> None:
    PreTrainedTokenizerFast(
        tokenizer_object=train_bpe(), eos_token="</s>", pad_token="<pad>"
    ).save_pretrained(folder)


def with_a_prefix_space(folder: Path) -> None:
    train_bpe(prefix_space=True).save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def with_added_words(folder: Path) -> None:
    tokenizer = train_bpe()
    tokenizer.add_tokens(["wunderbar", AddedToken("Fuß", single_word=True, lstrip=True)])
    tokenizer.add_special_tokens(["[CLS]"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A", special_tokens=[("[CLS]", tokenizer.token_to_id("[CLS]"))]
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>").save_pretrained(folder)


def with_truncation_and_padding_in_the_file(folder: Path) -> None:
    tokenizer = train_bpe()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=9, pad_id=1, pad_token="<pad>")
    tokenizer.save(str(folder / "tokenizer.json"))


FORMS: list[Callable[[Path], None]] = [
    as_tokenizer_json,
    as_vocab_and_merges,
    as_transformers_saves_it,
    with_a_prefix_space,
    with_added_words,
    with_truncation_and_padding_in_the_file,
]


@pytest.fixture(scope="module")
def tokenizers_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[Path], None]], Any]:
    @cache
    def make(form: Callable[[Path], None]) -> Any:
        folder = tmp_path_factory.mktemp("model")
        (folder / "config.json").write_text(json.dumps(CONFIG))
        form(folder)
        return checkpoint_tokenizer(folder), AutoTokenizer.from_pretrained(folder)

    return make


tricky = st.sampled_from(
    [*" \n\t'äöüßÄÖÜ.,!19é中😀", "wunderbar", " wunderbar", "Fuß ", "<|endoftext|>", "</s>", "[CLS]"]
)
texts = st.text(st.characters(codec="utf-8")) | st.lists(tricky).map("".join) | st.sampled_from(GERMAN)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=50)
@given(text=texts)
def test_ids_are_theirs(
    tokenizers_of: Callable[[Callable[[Path], None]], Any], form: Callable[[Path], None], text: str
) -> None:
    ours, theirs = tokenizers_of(form)
    expected = theirs(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert ours.encode(text) == expected
    assert max(expected, default=0) < ours.n_vocab <= 400
    assert ours.encode_batch([text, GERMAN[0]]) == [expected, ours.encode(GERMAN[0])]


@pytest.mark.parametrize("form", [form for form in FORMS if form is not with_added_words])
def test_text_comes_back(
    tokenizers_of: Callable[[Callable[[Path], None]], Any], form: Callable[[Path], None]
) -> None:
    ours, _ = tokenizers_of(form)
    assert ours.name == "own"
    for text in GERMAN:
        assert ours.decode(ours.encode(text)).strip().replace(" ", "") == text.replace(" ", "")
    with pytest.raises(KeyError):
        ours.decode([399])
