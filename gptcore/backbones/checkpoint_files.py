"""Which files of a checkpoint's folder are read, and JSON read with care. Imports no torch, touches no network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gptcore.errors import UserError

CONFIG_FILE = "config.json"
# In the order in which they are looked for: one file, or an index that names the shards.
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
INDEX_SUFFIX = ".index.json"
WEIGHT_SOURCES = tuple(name for file in WEIGHT_FILES for name in (file, file + INDEX_SUFFIX))
ADAPTER_CONFIG = "adapter_config.json"
TOKENIZER, TOKENIZER_CONFIG, TOKENIZER_SPECIALS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)
VOCAB, MERGES, ADDED_TOKENS = "vocab.json", "merges.txt", "added_tokens.json"
# Vocabularies of other kinds: where one of them lies alone, GPT-2's must not be assumed.
OTHER_VOCABULARIES = ("vocab.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model", "spm.model")
VOCABULARIES = (TOKENIZER, VOCAB, MERGES, *OTHER_VOCABULARIES)
_LIKE_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
JSON_LIMIT_BYTES = 64 * 2**20  # the largest tokenizer.json of a known model takes 35 MB


def is_folder(path: str | Path) -> bool:
    """Whether there is a folder of that name; also a name that no file system allows is answered."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: str | Path) -> bool:
    """Whether there is a file of that name; also a name that no file system allows is answered."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a checkpoint's weights: one, or the shards that its index names, by name.

    Raises UserError where there is none, where the index cannot be used, or where a shard is missing.
    """
    for name in WEIGHT_SOURCES:
        path = folder / name
        if is_file(path):
            return shards(path) if name.endswith(INDEX_SUFFIX) else [path]
    found = folder.glob("*.*") if is_folder(folder) else ()
    others = sorted(path.name for path in found if path.suffix in _LIKE_WEIGHTS)
    there = f"; it has {', '.join(others[:3])}, which would have to be renamed" if others else ""
    raise UserError(f"{folder} has no {WEIGHT_FILES[0]} (nor {', '.join(WEIGHT_SOURCES[1:])}){there}")


def shards(index: Path) -> list[Path]:
    """The shards that an index of weights names, by name. Raises UserError where one is not beside it."""
    names = shard_names(read_json(index), str(index))
    if missing := [name for name in names if not is_file(index.parent / name)]:
        raise UserError(
            f"{index.parent} has {len(names) - len(missing)} of the {len(names)} shards that {index.name} names: "
            f"{missing[0]} is missing; copy or download it again"
        )
    return [index.parent / name for name in names]


def shard_names(index: dict[str, Any], where: str) -> list[str]:
    """The distinct shard names of an index's content, sorted. Raises UserError unless all are plain file names."""
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise UserError(f"{where} has no 'weight_map' that names the shards")
    for name in weight_map.values():
        # Nothing outside the folder is opened, whatever an index names.
        if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
            raise UserError(f"{where}: weight_map names {name!r}, which is not a file of its folder")
    return sorted(set(weight_map.values()))


def printable(name: str) -> str:
    """A name from a file as part of a line: escaped where it would break the line."""
    return name if name.isprintable() else repr(name)


def tokenizer_files(folder: Path) -> list[Path]:
    """The files that a folder's tokenizer is read from: tokenizer.json holds all that the older files hold."""
    older = () if is_file(folder / TOKENIZER) else (VOCAB, MERGES, ADDED_TOKENS, *OTHER_VOCABULARIES)
    names = (TOKENIZER, TOKENIZER_CONFIG, TOKENIZER_SPECIALS, *older)
    return [folder / name for name in names if is_file(folder / name)]


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises UserError for anything else, also where a key stands twice."""
    try:
        return parse_json(read_text(path))
    except ValueError as error:
        raise UserError(f"{path} is not a JSON object: {error}") from error


def read_text(path: Path) -> str:
    """A file's UTF-8 text. Raises UserError, and ValueError where it is not UTF-8."""
    try:
        if path.stat().st_size > JSON_LIMIT_BYTES:
            raise UserError(
                f"{path} is larger than {JSON_LIMIT_BYTES >> 20} MB, too large for what it should be"
            )
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def parse_json(text: str) -> dict[str, Any]:
    """The JSON object in a text. Raises ValueError for anything else, also where a key stands twice."""
    try:
        content = json.loads(text, object_pairs_hook=_each_key_once)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}")
    return content


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return content
