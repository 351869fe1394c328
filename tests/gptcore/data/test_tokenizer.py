"""Both vocabularies: any text there and back, and no text is ever taken for a special token."""

import base64
import hashlib
import itertools
import os
import subprocess
import sys
from importlib.resources import files

import pytest
import regex
import tiktoken_ext.openai_public
from hypothesis import given
from hypothesis import strategies as st

from gptcore.data import assets
from gptcore.data.assets import Asset, Url
from gptcore.data.tiktoken_tokenizer import (
    END_OF_TEXT,
    GPT2_SPLIT_PATTERN,
    place_gpt2_files,
)
from gptcore.data.tokenizer import load_tokenizer
from gptcore.errors import UserError

# As in the code that was released with GPT-2.
RELEASED_PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

tricky = st.sampled_from([*" \n\t'asdlvretmx19.é中😀", END_OF_TEXT])
texts = st.text(st.characters(codec="utf-8")) | st.lists(tricky).map("".join)


@pytest.fixture(scope="module")
def ranks() -> dict[bytes, int]:
    """The bundled vocabulary read on its own: token -> rank."""
    lines = files("gptcore").joinpath("backbones/pretrained/vocab.tiktoken").read_text().splitlines()
    return {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}


def test_the_embedded_vocabulary_is_whole(ranks):
    tokenizer = load_tokenizer("embedded")
    assert sorted(ranks.values()) == list(range(8191))
    assert {bytes([byte]) for byte in range(256)} <= ranks.keys()
    assert (tokenizer.name, tokenizer.n_vocab, tokenizer.pad_id) == ("embedded", 8192, 8191)
    assert tokenizer.decode([tokenizer.pad_id]) == END_OF_TEXT


@given(text=texts)
def test_any_text_round_trips(text):
    tokenizer = load_tokenizer("embedded")
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.pad_id not in ids
    assert all(0 <= token < tokenizer.n_vocab for token in ids)


@given(text=texts)
def test_ids_are_those_of_a_naive_bpe(ranks, text):
    expected = []
    for piece in regex.findall(RELEASED_PATTERN, text):
        parts = [bytes([byte]) for byte in piece.encode()]
        while True:
            pairs = [(ranks.get(a + b, 8191), i) for i, (a, b) in enumerate(itertools.pairwise(parts))]
            rank, i = min(pairs, default=(8191, 0))
            if rank == 8191:
                break
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        expected += [ranks[part] for part in parts]
    assert load_tokenizer("embedded").encode(text) == expected


@given(text=texts)
def test_the_split_pattern_cuts_as_the_released_one(text):
    assert regex.findall(GPT2_SPLIT_PATTERN, text) == regex.findall(RELEASED_PATTERN, text)


def test_a_special_token_in_a_text_is_text():
    tokenizer = load_tokenizer("embedded")
    ids = tokenizer.encode(f"a{END_OF_TEXT}b")
    assert len(ids) > 3
    assert tokenizer.decode(ids) == f"a{END_OF_TEXT}b"


def test_long_runs_and_batches():
    tokenizer = load_tokenizer("embedded")
    batch = ["", "a" * 20_000, " " * 20_000, "Ok lar... Joking wif u oni..."]
    assert tokenizer.encode_batch(batch) == [tokenizer.encode(text) for text in batch]
    assert [tokenizer.decode(ids) for ids in tokenizer.encode_batch(batch)] == batch


def test_decoding_half_a_character_and_an_unknown_id():
    tokenizer = load_tokenizer("embedded")
    first_byte = next(i for i in range(256) if tokenizer._encoding.decode_single_token_bytes(i) == b"\xc3")
    assert tokenizer.decode([first_byte]) == "\ufffd"
    with pytest.raises(KeyError):
        tokenizer.decode([8192])


def test_the_fingerprint_is_over_the_tokens_by_id(ranks):
    ordered = [*sorted(ranks, key=ranks.__getitem__), END_OF_TEXT.encode()]
    lines = b"".join(base64.b64encode(token) + b"\n" for token in ordered)
    assert load_tokenizer("embedded").fingerprint == hashlib.sha256(lines).hexdigest()


def test_an_unknown_tokenizer():
    with pytest.raises(UserError, match="unknown tokenizer 'gpt3': use 'gpt2' or 'embedded'"):
        load_tokenizer("gpt3")


def test_our_gpt2_files_are_those_that_tiktoken_asks_for(monkeypatch):
    asked = {}
    monkeypatch.setattr(
        tiktoken_ext.openai_public, "data_gym_to_mergeable_bpe_ranks", lambda **files: asked.update(files)
    )
    tiktoken_ext.openai_public.gpt2()
    for asset, role in ((assets.GPT2_MERGES, "vocab_bpe"), (assets.GPT2_ENCODER, "encoder_json")):
        assert str(asset.sources[0]) == asked[f"{role}_file"]
        assert asset.sha256 == asked[f"{role}_hash"]


@pytest.fixture
def toy_files(server, cache, monkeypatch):
    """Two small files in the place of GPT-2's, on the local server; tiktoken's cache beside ours."""
    for name, content in (("GPT2_MERGES", b"merges"), ("GPT2_ENCODER", b"encoder")):
        server.files[f"/{name}"] = content
        sources = (Url(f"{server.url}/{name}"),)
        monkeypatch.setattr(assets, name, Asset(name, hashlib.sha256(content).hexdigest(), sources))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(cache.parent / "tiktoken"))
    return cache.parent / "tiktoken"


def test_files_are_placed_under_the_sha1_of_their_address(toy_files, server):
    place_gpt2_files()
    names = {hashlib.sha1(f"{server.url}{path}".encode()).hexdigest() for path in server.files}
    assert {path.name for path in toy_files.iterdir()} == names


def test_files_in_tiktokens_cache_are_used_and_damaged_ones_replaced(toy_files, server, cache):
    place_gpt2_files()
    for path in cache.iterdir():
        path.unlink()
    server.files.clear()
    place_gpt2_files()  # tiktoken's cache is enough
    damaged = sorted(toy_files.iterdir())[0]
    damaged.write_bytes(b"damaged")
    with pytest.raises(UserError, match="answers 404"):
        place_gpt2_files()


@pytest.mark.usefixtures("toy_files")
def test_where_tiktokens_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    with pytest.raises(UserError, match="TIKTOKEN_CACHE_DIR is empty"):
        place_gpt2_files()
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR")
    monkeypatch.setenv("DATA_GYM_CACHE_DIR", str(tmp_path / "gym"))
    place_gpt2_files()
    assert len(list((tmp_path / "gym").iterdir())) == 2
    monkeypatch.delenv("DATA_GYM_CACHE_DIR")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    place_gpt2_files()
    assert len(list((tmp_path / "tmp" / "data-gym-cache").iterdir())) == 2


@pytest.mark.slow
def test_gpt2_for_real_then_offline(tmp_path):
    """Placed by us, tiktoken's own `get_encoding` needs no network any more."""
    code = """
from gptcore.data.tiktoken_tokenizer import place_gpt2_files
from gptcore.data.tokenizer import load_tokenizer
place_gpt2_files()
import requests, tiktoken
def refuse(*_, **__): raise AssertionError("went online")
requests.get = requests.Session.request = refuse
assert tiktoken.get_encoding("gpt2").encode("Hello world") == [15496, 995]
gpt2 = load_tokenizer("gpt2")
assert (gpt2.n_vocab, gpt2.pad_id) == (50257, 50256)
from gptcore.data.tiktoken_tokenizer import GPT2_FINGERPRINT
assert gpt2.fingerprint == GPT2_FINGERPRINT
assert gpt2.encode("<|endoftext|>") == [27, 91, 437, 1659, 5239, 91, 29]
"""
    folder = tmp_path / "tiktoken"
    environment = os.environ | {"TIKTOKEN_CACHE_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    names = {path.name for path in folder.iterdir()}
    assert names == {"6d1cbeee0f20b3d9449abfede4726ed8212e3aee", "6c7ea1a7e38e3a7f062df639a5b80947f075ffe6"}


def test_a_text_that_is_too_much_is_the_users_to_fix():
    tokenizer = load_tokenizer("embedded")
    assert len(tokenizer.encode("a" * 10**6)) > 10**5
    with pytest.raises(UserError, match=r"a text of 10,000,001 characters, beginning '   .* too much"):
        tokenizer.encode(" " * 10**7 + "x")
