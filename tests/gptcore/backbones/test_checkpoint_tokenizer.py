"""Which tokenizer a checkpoint has, what fills up rows, and what is refused."""

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from gptcore.backbones import gpt2_vocabulary
from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer
from gptcore.backbones.gpt2_config import read_config
from gptcore.backbones.gpt2_vocabulary import byte_symbols
from gptcore.data import tiktoken_tokenizer
from gptcore.data.assets import GPT2_ENCODER, GPT2_MERGES, fetch
from gptcore.data.tiktoken_tokenizer import END_OF_TEXT, TiktokenTokenizer, load_embedded
from gptcore.errors import UserError

CONFIG: dict[str, Any] = {"model_type": "gpt2", "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 16}
SPECIAL = ["<pad>", "</s>"]  # ids 0 and 1


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def make_bpe(special: list[str] = SPECIAL, n_vocab: int = 280) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=n_vocab,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["wunderbar und schrecklich, die Äpfel und der Himmel"] * 9, trainer)
    return tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint's folder, without weights, with a tokenizer of 280 tokens."""
    write_json(tmp_path / "config.json", CONFIG | {"vocab_size": 300})
    make_bpe().save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_the_registrys_models_have_theirs_by_name() -> None:
    assert checkpoint_tokenizer("nano") is load_embedded()


def test_a_tokenizer_of_its_own_is_used(folder: Path) -> None:
    write_json(folder / "tokenizer_config.json", {"pad_token": "<pad>"})
    tokenizer = checkpoint_tokenizer(folder)
    assert read_config(folder).tokenizer == tokenizer.name == "own"
    assert tokenizer.n_vocab == 280
    assert tokenizer.notes == ()
    assert tokenizer.encode("wunderbar") == make_bpe().encode("wunderbar").ids
    assert (
        len(tokenizer.encode("wunderbar")) < 5 < len(tokenizer.encode("</s><pad>"))
    )  # special tokens are text


# --- what fills up rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "settings_", "specials", "pad_id"),
    [
        ({}, {"pad_token": "<pad>", "eos_token": "</s>"}, {}, 0),
        ({}, {"pad_token": {"content": "<pad>"}}, {}, 0),
        ({}, {}, {"pad_token": {"content": "<pad>"}}, 0),
        ({"pad_token_id": 0}, {"eos_token": "</s>"}, {}, 0),
        ({}, {"eos_token": "</s>", "pad_token": None}, {}, 1),
        ({}, {"eos_token": "</s>", "pad_token": "[not there]"}, {}, 1),
        ({"eos_token_id": 1}, {}, {}, 1),
    ],
)
def test_padding(
    folder: Path, config: dict[str, Any], settings_: dict[str, Any], specials: dict[str, Any], pad_id: int
) -> None:
    write_json(folder / "config.json", CONFIG | {"vocab_size": 300} | config)
    write_json(folder / "tokenizer_config.json", settings_)
    write_json(folder / "special_tokens_map.json", specials)
    assert checkpoint_tokenizer(folder).pad_id == pad_id


def test_the_end_of_text_fills_up_rows(folder: Path) -> None:
    make_bpe(["a", END_OF_TEXT]).save(str(folder / "tokenizer.json"))
    assert checkpoint_tokenizer(folder).pad_id == 1


@pytest.mark.parametrize("eos", [279, 50256])
def test_a_configs_default_id_that_is_a_word_or_nothing_fills_up_no_rows(folder: Path, eos: int) -> None:
    write_json(folder / "config.json", CONFIG | {"vocab_size": 300, "eos_token_id": eos})
    with pytest.raises(UserError, match=r"no token for padding: name a pad_token or eos_token"):
        checkpoint_tokenizer(folder)


# --- identity ----------------------------------------------------------------------------------------------


def test_the_fingerprint_sees_vocabulary_merges_cutting_and_padding(tmp_path: Path) -> None:
    def fingerprint(tokenizer: Tokenizer, pad: str = "<pad>") -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        write_json(folder / "config.json", CONFIG | {"vocab_size": 400})
        write_json(folder / "tokenizer_config.json", {"pad_token": pad})
        tokenizer.save(str(folder / "tokenizer.json"))
        return checkpoint_tokenizer(folder).fingerprint

    cut = make_bpe()
    cut.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    padded = make_bpe()
    padded.enable_padding(length=7)  # decides no ids
    found = [fingerprint(each) for each in (make_bpe(), make_bpe(n_vocab=270), cut)]
    found.append(fingerprint(make_bpe(), pad="</s>"))
    assert len(set(found)) == 4
    assert fingerprint(make_bpe()) == fingerprint(padded) == found[0]


def test_a_changed_file_is_read_again(folder: Path) -> None:
    write_json(folder / "tokenizer_config.json", {"pad_token": "<pad>"})
    before = checkpoint_tokenizer(folder).fingerprint
    make_bpe(n_vocab=270).save(str(folder / "tokenizer.json"))
    assert checkpoint_tokenizer(folder).fingerprint != before


# --- GPT-2's vocabulary ------------------------------------------------------------------------------------


def merges_of(ranks: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
    """The two parts of each token that is more than a byte, which merges of lower rank leave."""
    merges = []
    for token, limit in sorted(ranks.items(), key=lambda item: item[1]):
        parts = [bytes([byte]) for byte in token]
        while len(parts) > 2:
            pairs = [(ranks.get(a + b, limit), i) for i, (a, b) in enumerate(itertools.pairwise(parts))]
            _, i = min(pairs)
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        if len(parts) == 2:
            merges.append((parts[0], parts[1]))
    return merges


@pytest.fixture(scope="module")
def like_gpt2() -> Tokenizer:
    """The bundled vocabulary, which is laid out as GPT-2's is, in the form of the `tokenizers` library."""
    encoding = load_embedded()._encoding
    tokens = [encoding.decode_single_token_bytes(i) for i in range(8191)]
    written = {byte: symbol for symbol, byte in byte_symbols().items()}

    def write(token: bytes) -> str:
        return "".join(written[byte] for byte in token)

    vocab = {write(token): i for i, token in enumerate(tokens)} | {END_OF_TEXT: 8191}
    merges = [(write(a), write(b)) for a, b in merges_of({token: i for i, token in enumerate(tokens)})]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


@pytest.fixture
def taken_for_gpt2(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gpt2_vocabulary, tiktoken_tokenizer):
        monkeypatch.setattr(module, "GPT2_N_VOCAB", 8192)
    monkeypatch.setattr(gpt2_vocabulary, "GPT2_FINGERPRINT", load_embedded().fingerprint)


@pytest.mark.usefixtures("taken_for_gpt2")
def test_gpt2s_vocabulary_is_recognised_and_run_by_tiktoken(tmp_path: Path, like_gpt2: Tokenizer) -> None:
    write_json(tmp_path / "config.json", CONFIG | {"vocab_size": 8192})
    like_gpt2.save(str(tmp_path / "tokenizer.json"))
    tokenizer = checkpoint_tokenizer(tmp_path)
    assert isinstance(tokenizer, TiktokenTokenizer)
    assert (tokenizer.name, tokenizer.pad_id) == ("gpt2", 8191)
    assert tokenizer.fingerprint == load_embedded().fingerprint
    text = "Hello world, <|endoftext|> wunderbar 123\n\n  x"
    assert tokenizer.encode(text) == load_embedded().encode(text) == like_gpt2_ids(like_gpt2, text)


def like_gpt2_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    tokenizer.encode_special_tokens = True
    return list(tokenizer.encode(text).ids)


def another_pad(content: dict[str, Any]) -> None:
    content["added_tokens"].append(content["added_tokens"][0] | {"id": 8192, "content": "[PAD]"})


def a_word_of_its_own(content: dict[str, Any]) -> None:
    content["added_tokens"].append(content["added_tokens"][0] | {"id": 300, "content": "x", "special": False})


def lower_case(content: dict[str, Any]) -> None:
    content["normalizer"] = {"type": "Lowercase"}


def another_cut(content: dict[str, Any]) -> None:
    content["pre_tokenizer"]["use_regex"] = False


def one_token_exchanged(content: dict[str, Any]) -> None:
    vocab = content["model"]["vocab"]
    vocab["Ġ"], vocab["!"] = vocab["!"], vocab["Ġ"]


def merges_in_another_order(content: dict[str, Any]) -> None:
    content["model"]["merges"].append(content["model"]["merges"].pop(0))


@pytest.mark.usefixtures("taken_for_gpt2")
@pytest.mark.parametrize(
    "change",
    [another_pad, a_word_of_its_own, lower_case, another_cut, one_token_exchanged, merges_in_another_order],
)
def test_what_differs_from_gpt2_in_anything_is_not_gpt2(
    tmp_path: Path, like_gpt2: Tokenizer, change: Any
) -> None:
    content = json.loads(like_gpt2.to_str())
    change(content)
    write_json(tmp_path / "config.json", CONFIG | {"vocab_size": 8200})
    write_json(tmp_path / "tokenizer.json", content)
    write_json(tmp_path / "tokenizer_config.json", {"pad_token": "[PAD]", "eos_token": END_OF_TEXT})
    assert checkpoint_tokenizer(tmp_path).name == "own"


@pytest.mark.slow
def test_gpt2s_own_files_are_recognised(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", CONFIG | {"vocab_size": 50257})
    shutil.copy(fetch(GPT2_ENCODER), tmp_path / "vocab.json")
    shutil.copy(fetch(GPT2_MERGES), tmp_path / "merges.txt")
    tokenizer = checkpoint_tokenizer(tmp_path)
    assert (tokenizer.name, tokenizer.pad_id) == ("gpt2", 50256)
    assert tokenizer.encode("Hello world") == [15496, 995]


# --- folders without tokenizer files -----------------------------------------------------------------------


@pytest.fixture
def gpt2_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """GPT-2's vocabulary is not fetched in tests: another one stands for it."""
    monkeypatch.setattr("gptcore.backbones.checkpoint_tokenizer.load_gpt2", load_embedded)


@pytest.mark.usefixtures("gpt2_at_hand")
@pytest.mark.parametrize("size", [50257, 50258, 50260, 50304, 51200])
def test_gpt2s_vocabulary_is_assumed_where_the_size_is_its_own_and_said(tmp_path: Path, size: int) -> None:
    write_json(tmp_path / "config.json", CONFIG | {"vocab_size": size})
    assert checkpoint_tokenizer(tmp_path).notes == ("no tokenizer files: GPT-2's vocabulary is assumed",)


@pytest.mark.usefixtures("gpt2_at_hand")
@pytest.mark.parametrize("size", [1, 1000, 50256, 50265, 52000, 64000])
def test_another_size_is_refused(tmp_path: Path, size: int) -> None:
    write_json(tmp_path / "config.json", CONFIG | {"vocab_size": size})
    with pytest.raises(UserError, match=rf"vocab_size = {size} is not that of GPT-2's vocabulary \(50257\)"):
        checkpoint_tokenizer(tmp_path)


# --- refusals ----------------------------------------------------------------------------------------------


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        checkpoint_tokenizer(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_more_tokens_than_embeddings(folder: Path) -> None:
    write_json(folder / "config.json", CONFIG | {"vocab_size": 279, "pad_token_id": 0})
    assert "its tokenizer has ids up to 279, and vocab_size = 279 in config.json" in refused(folder)


def test_files_of_another_kind(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    for file in ("vocab.txt", "spiece.model", "tokenizer.model"):
        (folder / file).write_text("x")
        assert f"has {file}, but neither tokenizer.json nor vocab.json" in refused(folder)
        (folder / file).unlink()
    write_json(folder / "vocab.json", {"a": 0})
    assert "has vocab.json, but neither tokenizer.json nor merges.txt" in refused(folder)
    (folder / "merges.txt").write_text("#version: 0.2\n")
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer"})
    assert "tokenizer_class = 'BertTokenizer' without a tokenizer.json" in refused(folder)


@pytest.mark.usefixtures("gpt2_at_hand")
def test_a_class_without_any_vocabulary(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", CONFIG | {"vocab_size": 50257, "tokenizer_class": "BertTokenizer"})
    assert "tokenizer_class = 'BertTokenizer' without a tokenizer.json" in refused(tmp_path)


def test_settings_that_leave_it_open(folder: Path) -> None:
    tokenizer = make_bpe()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    assert "set add_prefix_space in it to true or false" in refused(folder)
    write_json(folder / "tokenizer_config.json", {"add_prefix_space": "yes"})
    assert "add_prefix_space = 'yes'" in refused(folder)
    tokenizer = make_bpe()
    tokenizer.model.dropout = 0.1
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").unlink()
    assert "dropout makes token ids random" in refused(folder)


def test_an_added_token_with_another_id(folder: Path) -> None:
    added = {"305": {"content": "[NEW]", "special": True}}
    write_json(folder / "tokenizer_config.json", {"added_tokens_decoder": added})
    assert "the added token '[NEW]' should have id 305, and has 280" in refused(folder)


def test_added_tokens_of_older_files(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    make_bpe().model.save(str(folder))
    write_json(folder / "added_tokens.json", {"Apfelbaum": 280, "[PAD]": 281})
    write_json(folder / "special_tokens_map.json", {"pad_token": "[PAD]"})
    tokenizer = checkpoint_tokenizer(folder)
    assert (tokenizer.n_vocab, tokenizer.pad_id) == (282, 281)
    assert tokenizer.encode("Apfelbaum") == [280]
    assert 281 not in tokenizer.encode("[PAD]")
    write_json(folder / "added_tokens.json", {"Apfelbaum": 300})
    assert "the added token 'Apfelbaum' should have id 300, and has 280" in refused(folder)


def test_bytes_that_the_vocabulary_lacks_are_said(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    write_json(folder / "vocab.json", {"a": 0, "b": 1, "ab": 2, "</s>": 3})
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    write_json(folder / "tokenizer_config.json", {"eos_token": "</s>"})
    tokenizer = checkpoint_tokenizer(folder)
    assert tokenizer.encode("abc") == [2]
    assert tokenizer.notes == (
        "the vocabulary lacks 254 of the 256 bytes: characters that need them are dropped from texts",
    )


# --- fuzzing -----------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


@st.composite
def damaged(draw: st.DrawFn, content: Any) -> Any:
    """JSON content with one thing in it replaced or removed, at any depth."""
    if isinstance(content, dict) and content and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(content)))
        if not draw(st.integers(0, 4)):
            return {name: value for name, value in content.items() if name != key}
        return content | {key: draw(damaged(content[key]))}
    if isinstance(content, list) and content and draw(st.integers(0, 5)):
        at = draw(st.integers(0, min(3, len(content) - 1)))
        return [*content[:at], draw(damaged(content[at])), *content[at + 1 :]]
    return draw(JSON)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_whatever_the_files_hold(tmp_path: Path, draw: st.DataObject) -> None:
    write_json(tmp_path / "config.json", CONFIG | {"vocab_size": 300, "eos_token_id": 1})
    files = {
        "tokenizer.json": json.loads(make_bpe(n_vocab=262).to_str()),
        "tokenizer_config.json": {
            "pad_token": "<pad>",
            "add_prefix_space": False,
            "added_tokens_decoder": {"1": {"content": "</s>", "special": True}},
        },
        "special_tokens_map.json": {"eos_token": {"content": "</s>"}},
        "added_tokens.json": {"[NEW]": 262},
    }
    name = draw.draw(st.sampled_from(sorted(files)))
    files[name] = draw.draw(damaged(files[name]))
    for file, content in files.items():
        write_json(tmp_path / file, content)
    try:
        ids = checkpoint_tokenizer(tmp_path).encode("wunderbar </s> Äpfel")
    except UserError:
        return
    assert max(ids, default=0) < 300
