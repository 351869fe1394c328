"""Folders of converted models in the user's cache: made once, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gptcore.backbones.catalogue import CATALOGUE, KnownModel
from gptcore.backbones.convert.fetch import fetch_files
from gptcore.backbones.convert.gguf_model import convert_gguf
from gptcore.backbones.convert.onnx_bert import convert_onnx
from gptcore.backbones.convert.tensors import write_folder, write_json
from gptcore.backbones.convert.terms import check_terms
from gptcore.data.assets import CACHE_REMEDY, cache_dir
from gptcore.extras import require
from gptcore.files import cannot_write, sync_folder
from gptcore.locks import lock

SOURCE_FILE = "source.json"
AS_PUBLISHED = "as published"
TOOLS = ("gguf", "onnx")  # packages that convert
_VERSION = 1  # of the converters: a change of what they make makes it anew, in another folder


def converted_folder(name: str) -> Path:
    """The folder of a converted model: fetched and converted, unless it is in the cache. Raises UserError."""
    folder = _folder(name)
    if is_converted(name):
        return folder
    check_fetchable(name)
    try:
        with lock(folder.parent, folder.name, wait=True):
            if not is_converted(name):  # another process may have made it meanwhile
                _make(name, folder)
    except OSError as error:
        raise cannot_write(folder, error, CACHE_REMEDY) from error
    return folder


def cached_conversion(name: str) -> Path | None:
    """The folder of a converted model in the cache, else None."""
    return _folder(name) if is_converted(name) else None


def check_fetchable(name: str) -> None:
    """Raises UserError where the user has something to do before a model that is not in the cache can be made."""
    if is_converted(name):
        return
    check_terms(name)
    if (tool := CATALOGUE[name].convert) in TOOLS:
        require(tool, name, "hf")


def is_converted(name: str) -> bool:
    """Whether a model is in the cache, whole."""
    return (_folder(name) / SOURCE_FILE).is_file()


def conversion_of(folder: Path) -> dict[str, Any] | None:
    """Where a converted model comes from and how it was made; None for other folders."""
    try:
        content = json.loads((folder / SOURCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.keys() >= {"how", "files"} else None


def _folder(name: str) -> Path:
    model = CATALOGUE[name]
    decides = [_VERSION, model.config, [file.sha256 for file in model.files]]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return cache_dir() / "models" / f"{name}-{digest[:8]}"


def _make(name: str, folder: Path) -> None:
    model = CATALOGUE[name]
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as place:
        made = Path(place) / "made"
        made.mkdir()
        sources = fetch_files(name, model, made)
        tool = _CONVERTERS[model.convert or "copy"](model, made)
        write_json(
            made / SOURCE_FILE,
            {
                "model": name,
                "about": model.about,
                "licence": model.licence,
                "how": model.how or AS_PUBLISHED,
                "converted_by": tool,
                "files": {
                    file.name: {"sha256": file.sha256, "source": sources[file.name]} for file in model.files
                },
            },
        )
        sync_folder(made)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def _from_gguf(_model: KnownModel, folder: Path) -> str:
    source = folder / "model.gguf"
    write_folder(convert_gguf(source), folder)
    source.unlink()
    return f"gguf {version('gguf')}"


def _from_onnx(model: KnownModel, folder: Path) -> str:
    source = folder / "model.onnx"
    write_folder(convert_onnx(source, model.config), folder)
    source.unlink()
    return f"onnx {version('onnx')}"


def _as_it_is(_model: KnownModel, _folder: Path) -> None:
    return None


_CONVERTERS: dict[str, Callable[[KnownModel, Path], str | None]] = {
    "gguf": _from_gguf,
    "onnx": _from_onnx,
    "copy": _as_it_is,
}
