"""The tokenizer in a classifier's folder: it comes back as it was, and damaged files are refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gptcore.backbones import gpt2_vocabulary
from gptcore.data import tiktoken_tokenizer
from gptcore.data.prompted import PromptedTokenizer
from gptcore.data.tiktoken_tokenizer import TiktokenTokenizer, gpt2_of_tokens, load_embedded
from gptcore.data.tokenizer import Tokenizer
from gptcore.errors import UserError
from gptcore.files import replace_files
from gptcore.training.base import Base
from gptcore.training.kept_tokenizer import KEPT_FILES, files_to_keep, kept_tokenizer

TEXT = "Hello world, <|endoftext|> wunderbar 123\n\n  x \U0001f600"


def base_of(tokenizer: Tokenizer) -> Base:
    return Base(
        source="a model",
        fingerprint="",
        config={},
        init_seed=0,
        engine="fast",
        precision="float32",
        tokenizer=tokenizer.name,
        tokenizer_fingerprint=tokenizer.fingerprint,
    )


@pytest.fixture
def gpt2(monkeypatch: pytest.MonkeyPatch) -> TiktokenTokenizer:
    """GPT-2's vocabulary is not fetched in tests: the bundled one, which is laid out as it is, stands for it."""
    for module in (gpt2_vocabulary, tiktoken_tokenizer):
        monkeypatch.setattr(module, "GPT2_N_VOCAB", 8192)
    monkeypatch.setattr(gpt2_vocabulary, "GPT2_FINGERPRINT", load_embedded().fingerprint)
    return gpt2_of_tokens({token: i for i, token in enumerate(load_embedded().tokens())})


@pytest.mark.parametrize("n_prompt", [0, 3])
def test_gpt2s_comes_back_from_its_file(tmp_path: Path, gpt2: TiktokenTokenizer, n_prompt: int) -> None:
    used = PromptedTokenizer(gpt2, n_prompt) if n_prompt else gpt2
    replace_files(tmp_path, files_to_keep(used, 16), KEPT_FILES)
    again = kept_tokenizer(tmp_path, base_of(gpt2))
    assert again is not None
    assert (again.name, again.fingerprint, again.pad_id) == ("gpt2", gpt2.fingerprint, 8191)
    assert again.encode(TEXT) == gpt2.encode(TEXT) == load_embedded().encode(TEXT)


def test_the_bundled_one_needs_no_files(tmp_path: Path) -> None:
    tokenizer = load_embedded()
    assert files_to_keep(tokenizer, 16) == {}
    assert kept_tokenizer(tmp_path, base_of(tokenizer)) is tokenizer
    changed = base_of(tokenizer).model_copy(update={"tokenizer_fingerprint": "0" * 64})
    with pytest.raises(UserError, match="its tokenizer is not the one that the classifier was trained with"):
        kept_tokenizer(tmp_path, changed)


def test_older_folders_have_no_files(tmp_path: Path, gpt2: TiktokenTokenizer) -> None:
    assert kept_tokenizer(tmp_path, base_of(gpt2)) is None


def exchange_two(content: dict[str, Any]) -> None:
    vocab = content["model"]["vocab"]
    vocab["Ġ"], vocab["!"] = vocab["!"], vocab["Ġ"]


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no model": lambda content: content.pop("model"),
    "model is a list": lambda content: content.update(model=[]),
    "no vocabulary": lambda content: content["model"].pop("vocab"),
    "a list": lambda content: content["model"].update(vocab=list(content["model"]["vocab"])),
    "a token is missing": lambda content: content["model"]["vocab"].pop("Ġ"),
    "a negative id": lambda content: content["model"]["vocab"].update({"Ġ": -1}),
    "an id that is too large": lambda content: content["model"]["vocab"].update({"Ġ": 2**70}),
    "an id twice": lambda content: content["model"]["vocab"].update({"Ġ": 0}),
    "an id that is text": lambda content: content["model"]["vocab"].update({"Ġ": "1"}),
    "an id that is a list": lambda content: content["model"]["vocab"].update({"Ġ": [1]}),
    "a symbol of no byte": lambda content: content["model"]["vocab"].update(
        {"\u4e00": content["model"]["vocab"].pop("Ġ")}
    ),
    "two tokens exchanged": exchange_two,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_files_of_gpt2s_are_refused(
    tmp_path: Path, gpt2: TiktokenTokenizer, damage: Callable[[dict[str, Any]], object]
) -> None:
    replace_files(tmp_path, files_to_keep(gpt2, 16), KEPT_FILES)
    path = tmp_path / "tokenizer.json"
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"^tokenizer\.json is damaged: it does not hold GPT-2's vocabulary$"):
        kept_tokenizer(tmp_path, base_of(gpt2))


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000])
def test_a_file_that_is_not_json_is_refused(tmp_path: Path, gpt2: TiktokenTokenizer, text: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(UserError, match=r"tokenizer\.json is not a JSON object") as caught:
        kept_tokenizer(tmp_path, base_of(gpt2))
    assert "\n" not in str(caught.value)
