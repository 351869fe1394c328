"""From a model's name to the folder of its checkpoint, and what its config says. The hub is local."""

import json
import time
from pathlib import Path

import pytest

from gptcore.backbones import hub as hub_module
from gptcore.backbones.checkpoints import bundled_folder, checkpoint_folder
from gptcore.backbones.config import REGISTRY
from gptcore.backbones.gpt2_config import read_config
from gptcore.errors import UserError
from tests.gptcore.backbones.fake_hub import CONFIG, FakeHub, Visitor, open_elsewhere

# The fields of the hub's own config.json files that matter here.
PUBLISHED = {
    "gpt2": {"n_embd": 768, "n_layer": 12, "n_head": 12},
    "gpt2-medium": {"n_embd": 1024, "n_layer": 24, "n_head": 16},
    "gpt2-large": {"n_embd": 1280, "n_layer": 36, "n_head": 20},
    "gpt2-xl": {"n_embd": 1600, "n_layer": 48, "n_head": 25},
}


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_hub_checkpoint_is_downloaded_once(
    hub: FakeHub, visitor: Visitor, tmp_path: Path, weights: str
) -> None:
    hub.add("owner/toy", weights)
    folder = Path(visitor.open(hub.url, tmp_path, "owner/toy"))
    assert folder.is_relative_to(tmp_path)
    assert (folder / weights).read_bytes() == b"weights"
    assert read_config(folder).d_model == 8
    assert Path(visitor.open(hub.url, tmp_path, "owner/toy")) == folder
    assert sorted(hub.downloads()) == sorted(["config.json", weights])


def test_the_tokenizer_is_downloaded_too_and_nothing_is_asked_twice(
    hub: FakeHub, visitor: Visitor, tmp_path: Path
) -> None:
    hub.add("owner/toy", "model.safetensors")
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.json"):
        hub.files[f"owner/toy/{file}"] = file.encode()
    folder = Path(visitor.open(hub.url, tmp_path, "owner/toy"))
    # vocab.json says nothing that tokenizer.json does not.
    expected = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert sorted(hub.downloads()) == expected
    assert {path.name for path in folder.iterdir()} == set(expected)
    hub.asked.clear()
    assert Path(visitor.open(hub.url, tmp_path, "owner/toy")) == folder
    asked = {path.rpartition("/")[2] for _, path in hub.asked if "/resolve/" in path}
    assert asked == {"config.json"}  # whether it is still the newest


def test_an_older_tokenizer_is_downloaded_in_its_own_files(
    hub: FakeHub, visitor: Visitor, tmp_path: Path
) -> None:
    hub.add("owner/toy", "model.safetensors")
    for file in ("vocab.json", "merges.txt"):
        hub.files[f"owner/toy/{file}"] = file.encode()
    visitor.open(hub.url, tmp_path, "owner/toy")
    assert {"vocab.json", "merges.txt"} < set(hub.downloads())


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_shards_are_downloaded(hub: FakeHub, visitor: Visitor, tmp_path: Path, weights: str) -> None:
    hub.files["owner/toy/config.json"] = json.dumps(CONFIG).encode()
    index = {"weight_map": {"a": "part-1", "b": "part-2"}}
    hub.files[f"owner/toy/{weights}.index.json"] = json.dumps(index).encode()
    hub.files["owner/toy/part-1"] = b"1"
    told = visitor.open(hub.url, tmp_path, "owner/toy")
    assert told == f"UserError: owner/toy has no part-2, which its {weights}.index.json names"
    hub.files["owner/toy/part-2"] = b"2"
    folder = Path(visitor.open(hub.url, tmp_path / "again", "owner/toy"))
    assert {"part-1", "part-2"} < {path.name for path in folder.iterdir()}


def test_safetensors_are_preferred(hub: FakeHub, visitor: Visitor, tmp_path: Path) -> None:
    hub.add("owner/toy", "model.safetensors")
    hub.add("owner/toy", "pytorch_model.bin")
    folder = Path(visitor.open(hub.url, tmp_path, "owner/toy"))
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_the_hub_libraries_variables_work(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("owner/toy", "model.safetensors")
    offline = open_elsewhere(hub, tmp_path, "owner/toy", HF_HUB_OFFLINE="1")
    assert offline.startswith("UserError: could not load weights for 'owner/toy'")
    assert not hub.asked
    folder = open_elsewhere(hub, tmp_path, "owner/toy")
    assert hub.asked  # HF_ENDPOINT
    assert Path(folder).is_relative_to(tmp_path)  # HF_HOME
    assert open_elsewhere(hub, tmp_path, "owner/toy", HF_HUB_OFFLINE="1") == folder


def test_a_hub_that_is_gone_is_soon_given_up_and_what_is_cached_opens(
    hub: FakeHub, visitor: Visitor, tmp_path: Path
) -> None:
    hub.add("owner/toy", "model.safetensors")
    folder = visitor.open(hub.url, tmp_path / "filled", "owner/toy")
    nobody = "http://127.0.0.1:1"
    assert visitor.open(nobody, tmp_path / "filled", "owner/toy") == folder
    began = time.monotonic()
    told = visitor.open(nobody, tmp_path / "empty", "owner/toy")
    assert time.monotonic() - began < 15  # the hub's client alone waits for 23 s between its tries
    assert told.startswith("UserError: could not load weights for 'owner/toy': ")
    assert "\n" not in told


def test_what_the_hub_does_not_have_is_one_line(hub: FakeHub, visitor: Visitor, tmp_path: Path) -> None:
    hub.files["owner/toy/config.json"] = json.dumps(CONFIG).encode()  # and no weights
    for name in ("owner/toy", "owner/nothing"):
        told = visitor.open(hub.url, tmp_path, name)
        assert told.startswith(f"UserError: could not load weights for '{name}': ")
        assert "set HF_ENDPOINT to a mirror, or pass a local folder" in told
        assert "\n" not in told


def test_registry_names_lead_to_their_hub_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "download", lambda repo, _with_tokenizer: Path("hub") / repo)
    for name, entry in REGISTRY.items():
        if entry.source != "bundled":
            assert checkpoint_folder(name) == Path("hub") / entry.source
    assert checkpoint_folder("owner/toy") == Path("hub/owner/toy")


def test_a_bundled_model_is_found_in_the_package() -> None:
    import gptcore

    assert gptcore.__file__ is not None
    package = Path(gptcore.__file__).parent
    assert bundled_folder("nano") == package / "backbones" / "pretrained" / "nano"


def test_a_name_that_is_nothing_is_refused() -> None:
    for name in ("gpt5", "./not-there", "a/b/c"):
        with pytest.raises(UserError, match=f"model '{name}' is neither a known name .*nano.* nor a folder"):
            checkpoint_folder(name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configs_read_as_the_registry(tmp_path: Path, name: str) -> None:
    shared = {"n_ctx": 1024, "n_positions": 1024, "vocab_size": 50257, "layer_norm_epsilon": 1e-5}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2", **shared, **PUBLISHED[name]}))
    assert read_config(tmp_path) == REGISTRY[name].config


def test_a_folder_without_config_or_with_another_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no config\.json"):
        read_config(tmp_path)
    (tmp_path / "config.json").write_text('{"hidden_size": 8, "num_hidden_layers": 2}')
    with pytest.raises(UserError, match=r"config\.json is not the config of a GPT-2 model: no 'n_head'"):
        read_config(tmp_path)
