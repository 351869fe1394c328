"""A tokenizer.json as llama.cpp's metadata: what its converter writes, and read back the same tokenizer."""

import copy
import json

import pytest

from gptcore.backbones.convert.gguf_file import Metadata, open_gguf
from gptcore.backbones.convert.gguf_tokenizer import tokenizer_texts
from gptcore.backbones.convert.gguf_vocabulary import tokenizer_metadata
from gptcore.errors import UserError
from tests.gptcore.backbones.convert import toys

WORDPIECE = {
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "added_tokens": [
        {"id": i, "content": name, "special": True}
        for i, name in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    ],
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "vocab": {
            name: i
            for i, name in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "win", "##win", "##", "#", "##s"])
        },
    },
}


def test_the_scores_that_merges_stand_for_give_the_same_tokenizer_again(tmp_path):
    pytest.importorskip("gguf")
    toys.write_gemma3(tmp_path / "toy.gguf")
    metadata, _ = open_gguf(tmp_path / "toy.gguf")
    texts, ids = tokenizer_texts(metadata, 300)
    state = json.loads(texts["tokenizer.json"])
    found = tokenizer_metadata(state, 300, ids["pad_token_id"], [2], [])
    for key in ("tokens", "token_type", "add_bos_token", "unknown_token_id", "padding_token_id"):
        assert found[f"tokenizer.ggml.{key}"] == metadata._values[f"tokenizer.ggml.{key}"], key
    again, _ = tokenizer_texts(Metadata(found, "again"), 300)
    assert json.loads(again["tokenizer.json"]) == state


def put_last(merges):
    """One of the two merges that make a token, behind those of other tokens."""
    late = ["\u2581", "ab"]
    return [merge for merge in merges if merge != late] + [late]


@pytest.mark.parametrize("change", [lambda merges: merges[:-1], put_last])
def test_merges_that_no_scores_stand_for_are_refused(tmp_path, change):
    pytest.importorskip("gguf")
    toys.write_gemma3(tmp_path / "toy.gguf")
    state = json.loads(tokenizer_texts(open_gguf(tmp_path / "toy.gguf")[0], 300)[0]["tokenizer.json"])
    state["model"]["merges"] = change(state["model"]["merges"])
    with pytest.raises(UserError, match=r"not known to be one of llama\.cpp's"):
        tokenizer_metadata(state, 300, 0, [2], [])


def test_a_wordpiece_marks_the_beginning_of_a_word():
    found = tokenizer_metadata(WORDPIECE, 10, 0, [2], [3])
    assert found == {
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [
            *("[PAD]", "[UNK]", "[CLS]", "[SEP]"),
            *("\u2581win", "win", "", "\u2581#", "s", "[PAD9]"),
        ],
        "tokenizer.ggml.token_type": [3, 3, 3, 3, 1, 1, 1, 1, 1, 5],
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.eos_token_id": 3,
        "tokenizer.ggml.seperator_token_id": 3,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": True,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.ggml.normalizer.lowercase": True,
        "tokenizer.ggml.normalizer.strip_accents": True,
    }


def test_a_cased_wordpiece_says_so():
    state = copy.deepcopy(WORDPIECE)
    state["normalizer"]["lowercase"] = False
    found = tokenizer_metadata(state, 9, 0, [2], [3])
    rules = ("lowercase", "strip_accents")
    assert [found[f"tokenizer.ggml.normalizer.{rule}"] for rule in rules] == [False, False]


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("model", "continuing_subword_prefix", "@@"),
        ("normalizer", "handle_chinese_chars", False),
        ("normalizer", "type", "NFC"),
        ("pre_tokenizer", "type", "Whitespace"),
    ],
)
def test_another_wordpiece_is_refused(part, key, value):
    state = copy.deepcopy(WORDPIECE)
    state[part][key] = value
    with pytest.raises(UserError, match=r"not known to be one of llama\.cpp's .* use --to onnx"):
        tokenizer_metadata(state, 9, 0, [2], [3])


def test_a_wordpiece_without_special_tokens_around_a_text_is_refused():
    with pytest.raises(UserError, match="special tokens around every text"):
        tokenizer_metadata(WORDPIECE, 9, 0, [], [])


def test_a_vocabulary_with_scores_of_its_own_is_refused():
    model = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0]], "byte_fallback": True}
    state = {"normalizer": None, "pre_tokenizer": None, "added_tokens": [], "model": model}
    with pytest.raises(UserError, match=r"not known to be one of llama\.cpp's"):
        tokenizer_metadata(state, 2, 0, [], [])
