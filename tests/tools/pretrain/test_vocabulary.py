"""A vocabulary trained by `tokenizers` and run by tiktoken gives the same ids."""

import base64
from importlib.resources import files

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from gptcore.data.tiktoken_tokenizer import GPT2_SPLIT_PATTERN
from tools.pretrain.corpus import split_of
from tools.pretrain.vocabulary import (
    VOCAB_SIZE,
    to_tiktoken_ranks,
    train_bpe,
    train_vocabulary,
    write_ranks,
)

TEXTS = [
    "the naïve café of 1984, and that's it",
    "  leading, double  spaces\tand\n\nlines \n",
    "数字 数 字, 😀😀 and \u200b unseen \x00\x7f",
    "I'll don't we've O'Neil's 'tis",
    "<|endoftext|>",
    "",
]


def read_ranks(content: bytes) -> dict[bytes, int]:
    return {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, content.splitlines())}


@pytest.fixture(scope="module")
def bpe(documents) -> Tokenizer:
    return train_bpe(documents + TEXTS, n_tokens=420)


@pytest.fixture(scope="module")
def encoding(bpe) -> tiktoken.Encoding:
    ranks = to_tiktoken_ranks(bpe)
    return tiktoken.Encoding("toy", pat_str=GPT2_SPLIT_PATTERN, mergeable_ranks=ranks, special_tokens={})


def test_ranks_are_whole_and_hold_every_byte(bpe):
    ranks = to_tiktoken_ranks(bpe)
    assert sorted(ranks.values()) == list(range(len(ranks)))
    assert 300 < len(ranks) <= 420
    assert {bytes([byte]) for byte in range(256)} <= ranks.keys()
    assert " café".encode() in ranks


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_tokenizers(bpe, encoding, text):
    ids = bpe.encode(text).ids
    assert encoding.encode_ordinary(text) == ids
    assert encoding.decode(ids) == bpe.decode(ids) == text


@given(
    text=st.text(st.characters(codec="utf-8")) | st.lists(st.sampled_from([*TEXTS, " ", "é"])).map("".join)
)
def test_ids_are_those_of_tokenizers_on_any_text(bpe, encoding, text):
    assert encoding.encode_ordinary(text) == bpe.encode(text).ids


def test_ranks_are_written_as_tiktoken_reads_them(bpe, tmp_path):
    ranks = to_tiktoken_ranks(bpe)
    write_ranks(ranks, tmp_path / "new" / "toy.tiktoken")
    content = (tmp_path / "new" / "toy.tiktoken").read_bytes()
    assert read_ranks(content) == ranks
    assert list(read_ranks(content).values()) == sorted(ranks.values())


def test_training_looks_at_training_documents_only(documents, tmp_path):
    word = " zyzzyvaquark"
    i = next(i for i in range(1000) if split_of(f"{i}{word * 500}") == "validation")
    (tmp_path / "held_out.txt").write_text(f"{i}{word * 500}")
    (tmp_path / "a.txt").write_text("\n<|endoftext|>\n".join(documents), encoding="utf-8")
    train_vocabulary(tmp_path, tmp_path / "vocab.tiktoken")
    ranks = read_ranks((tmp_path / "vocab.tiktoken").read_bytes())
    assert " café".encode() in ranks
    assert not any(b"zy" in token or b"quark" in token for token in ranks)


def test_the_bundled_vocabulary_is_in_this_form(tmp_path):
    content = (files("gptcore") / "backbones" / "pretrained" / "vocab.tiktoken").read_bytes()
    ranks = read_ranks(content)
    assert len(ranks) == VOCAB_SIZE - 1 == 8191
    write_ranks(ranks, tmp_path / "again.tiktoken")
    assert (tmp_path / "again.tiktoken").read_bytes() == content
