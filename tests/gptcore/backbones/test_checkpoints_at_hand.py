"""Which checkpoints are at hand, found out without the network and without torch."""

import json
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from gptcore.backbones import checkpoints, hub
from gptcore.backbones.checkpoints import (
    cached_checkpoint,
    checkpoint_folder,
    checkpoint_reachable,
    download_bytes,
    is_hub_id,
    known_config,
)
from gptcore.backbones.config import REGISTRY
from gptcore.errors import UserError

CONFIG = {"n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 16, "vocab_size": 11}


def make_checkpoint(folder: Path, weights: str | None = "model.safetensors") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    if weights is not None:
        (folder / weights).write_bytes(b"")
    return folder


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, and no network: whoever connects fails the test."""
    import huggingface_hub.constants

    def refuse(*_args: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tmp_path / "hub"


def put_in_cache(hub_cache: Path, repo: str, *files: str) -> Path:
    folder = hub_cache / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    for file in files:
        (snapshot / file).write_text(json.dumps(CONFIG))
    return snapshot


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_folders(tmp_path: Path, weights: str) -> None:
    folder = make_checkpoint(tmp_path / "mine", weights)
    assert cached_checkpoint(folder) == checkpoint_folder(folder) == folder
    config = known_config(folder)
    assert config is not None
    assert (config.d_model, config.n_layer, config.context, config.vocab_size) == (8, 2, 16, 11)


def test_a_folder_without_weights_is_known_but_not_at_hand(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path, weights=None)
    assert cached_checkpoint(folder) is None
    assert known_config(folder) is not None


def test_bundled_models_are_at_hand_when_their_weights_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "bundled_folder", lambda name: tmp_path / name)
    assert cached_checkpoint("nano") is None
    with pytest.raises(UserError, match="model 'nano': no pretrained weights"):
        checkpoint_folder("nano")
    assert cached_checkpoint("nano") is None
    make_checkpoint(tmp_path / "nano")
    assert cached_checkpoint("nano") == checkpoint_folder("nano") == tmp_path / "nano"


def test_hub_checkpoints_are_at_hand_when_they_are_cached_whole(hub_cache: Path) -> None:
    assert cached_checkpoint("gpt2") is None
    assert known_config("owner/model") is None
    half = put_in_cache(hub_cache, "owner/half", "config.json")
    assert half.is_dir()
    assert cached_checkpoint("owner/half") is None
    whole = put_in_cache(hub_cache, "openai-community/gpt2", "config.json", "model.safetensors")
    assert cached_checkpoint("gpt2") == cached_checkpoint("openai-community/gpt2") == whole
    assert known_config("gpt2") == REGISTRY["gpt2"].config
    config = known_config("openai-community/gpt2")
    assert config is not None
    assert config.d_model == 8


def test_a_hub_checkpoint_whose_tokenizer_is_unknown_is_not_at_hand(hub_cache: Path) -> None:
    """Its weights may have been fetched without the tokenizer: GPT-2's must not be assumed."""
    snapshot = put_in_cache(hub_cache, "owner/toy", "config.json", "model.safetensors", "tokenizer.json")
    assert cached_checkpoint("owner/toy") is None
    (snapshot / "tokenizer_config.json").write_text("{}")
    assert cached_checkpoint("owner/toy") is None
    known_to_miss = snapshot.parents[1] / ".no_exist" / "abc"
    known_to_miss.mkdir(parents=True)
    (known_to_miss / "special_tokens_map.json").touch()
    assert cached_checkpoint("owner/toy") == snapshot


def test_names_that_are_nearly_right_are_helped(tmp_path: Path) -> None:
    file = make_checkpoint(tmp_path / "mine") / "model.safetensors"
    with pytest.raises(UserError, match=rf"is a file: name the folder that holds it, {tmp_path}/mine$"):
        checkpoint_folder(file)
    with pytest.raises(UserError, match="has no owner: write 'distilbert/distilgpt2'"):
        checkpoint_folder("distilgpt2")
    with pytest.raises(UserError, match="neither a known name"):
        checkpoint_folder("no such model")
    with pytest.raises(UserError, match="longer than the file system allows"):
        checkpoint_folder("x" * 300)


def test_odd_names_are_nowhere(hub_cache: Path, tmp_path: Path) -> None:
    assert not hub_cache.exists()
    for name in ("no such model", "../up", str(tmp_path / "gone"), "a/b/c", "-bad-/--", "nano/", "x" * 300):
        assert cached_checkpoint(name) is None
        assert known_config(name) is None
        assert not checkpoint_reachable(name)


def test_nothing_is_reachable_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert not checkpoint_reachable("gpt2")


def test_bytes_to_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def answer(url: str, **_options: object) -> SimpleNamespace:
        if url.endswith("model.safetensors"):
            raise OSError("no such file")
        return SimpleNamespace(size=7)

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", answer)
    monkeypatch.setattr(hub, "_in_cache", lambda *_: None)
    assert download_bytes("gpt2") == 7  # of the other file
    assert download_bytes(make_checkpoint(tmp_path / "own")) == 0
    assert download_bytes("no such model") is None
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", lambda *_, **__: answer("model.safetensors"))
    assert download_bytes("gpt2") is None


def test_hub_ids() -> None:
    assert is_hub_id("openai-community/gpt2")
    for name in ("gpt2", "./gpt2", "/gpt2", "~/gpt2", "a/b/c", "results/"):
        assert not is_hub_id(name)


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"n_embd": 8}'])
def test_other_configs_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json is not the config of a GPT-2 model: "):
        known_config(tmp_path)
