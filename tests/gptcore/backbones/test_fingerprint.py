"""A checkpoint's fingerprint changes with each of its files, and large files are read once."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from gptcore.backbones import fingerprint
from gptcore.backbones.checkpoints import bundled_folder
from gptcore.backbones.fingerprint import checkpoint_fingerprint, file_digest
from gptcore.errors import UserError

LONG_AGO = 1_000_000_000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (made / name).write_bytes(name.encode())
    return made


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "SETTLED_S", -1e9)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose bytes were read."""
    names: list[str] = []
    really = fingerprint._sha256
    monkeypatch.setattr(fingerprint, "_sha256", lambda path: names.append(path.name) or really(path))
    return names


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
)
def test_every_file_counts(folder: Path, name: str) -> None:
    before = checkpoint_fingerprint(folder)
    assert before == checkpoint_fingerprint(folder)
    for other in ("notes.txt", "pytorch_model.bin", "vocab.json"):
        (folder / other).write_text("not read")
    assert checkpoint_fingerprint(folder) == before
    (folder / name).write_bytes(b"other bytes")
    assert checkpoint_fingerprint(folder) not in (None, before)


def test_the_name_of_the_folder_does_not_count(folder: Path) -> None:
    before = checkpoint_fingerprint(folder)
    assert checkpoint_fingerprint(folder.rename(folder.with_name("moved"))) == before


def test_all_shards_count(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    names = [f"model-0000{i}-of-00002.safetensors" for i in (2, 1)]
    index = {"weight_map": {f"tensor {i}": name for i, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for name in names:
        (folder / name).write_bytes(b"one")
    before = checkpoint_fingerprint(folder)
    (folder / names[0]).write_bytes(b"two")
    assert checkpoint_fingerprint(folder) not in (None, before)
    (folder / names[0]).unlink()
    assert checkpoint_fingerprint(folder) is None


@pytest.mark.usefixtures("settled")
def test_a_file_is_read_once_until_it_changes(folder: Path, hashed: list[str]) -> None:
    before = checkpoint_fingerprint(folder)
    assert len(hashed) == 3
    assert checkpoint_fingerprint(folder) == before
    assert len(hashed) == 3
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[::-1])  # of the same size
    os.utime(weights, (LONG_AGO, LONG_AGO))
    assert checkpoint_fingerprint(folder) != before
    assert hashed[3:] == ["model.safetensors"]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"state": 1}', b"[" * 100_000])
def test_a_damaged_cache_is_computed_again(folder: Path, cache: Path, content: bytes) -> None:
    before = checkpoint_fingerprint(folder)
    for path in (cache / "digests").iterdir():
        path.write_bytes(content)
    assert checkpoint_fingerprint(folder) == before


def test_what_has_just_changed_is_not_kept(folder: Path, cache: Path) -> None:
    checkpoint_fingerprint(folder)
    assert not cache.exists()


@pytest.mark.usefixtures("settled")
def test_without_a_place_for_the_cache_it_is_computed_all_the_same(folder: Path, cache: Path) -> None:
    cache.write_text("a file in the cache's place")
    assert file_digest(folder / "config.json") == hashlib.sha256(b"config.json").hexdigest()


def test_bundled_models_and_those_that_are_not_here() -> None:
    weights = hashlib.sha256((bundled_folder("nano") / "model.safetensors").read_bytes()).hexdigest()
    config = hashlib.sha256((bundled_folder("nano") / "config.json").read_bytes()).hexdigest()
    lines = f"model.safetensors {weights}\nconfig.json {config}\n"
    assert checkpoint_fingerprint("nano") == hashlib.sha256(lines.encode()).hexdigest()
    assert checkpoint_fingerprint("no/such-model") is None


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.bin cannot be read: No such file"):
        file_digest(tmp_path / "gone.bin")
