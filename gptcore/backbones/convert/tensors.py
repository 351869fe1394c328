"""A model as a converter finds it, and its folder. Tensors are read one by one, which needs little memory."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from gptcore.backbones.checkpoint_files import CONFIG_FILE, WEIGHT_FILES
from gptcore.errors import UserError

FLOAT32_BYTES = 4


@dataclass(frozen=True)
class LazyTensor:
    """A tensor that is not read yet. read: gives its values, float32, of that shape."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


@dataclass(frozen=True)
class FoundModel:
    """What a file holds: the content of config.json, the tensors by their names in `transformers`, other files."""

    config: dict[str, Any]
    tensors: Mapping[str, LazyTensor]
    texts: Mapping[str, str] = field(default_factory=dict)


def write_folder(model: FoundModel, folder: Path) -> None:
    """Write config.json, model.safetensors (float32) and the other files. Raises UserError, OSError."""
    write_json(folder / CONFIG_FILE, model.config)
    for name, text in model.texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    write_tensors(folder / WEIGHT_FILES[0], model.tensors)


def write_tensors(path: Path, tensors: Mapping[str, LazyTensor]) -> None:
    """Write a safetensors file: the length of a JSON header (uint64), the header, the values in its order.

    Raises UserError where values are not finite or of another shape than stated.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, tensor in tensors.items():
        size = FLOAT32_BYTES * prod(tensor.shape)
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that values begin where float32 can be mapped
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, tensor in tensors.items():
            values = np.ascontiguousarray(tensor.read(), dtype="<f4")
            if values.shape != tensor.shape:
                raise UserError(f"{name} has the shape {values.shape}, and {tensor.shape} was stated")
            if not np.isfinite(values).all():
                raise UserError(f"{name} holds values that are not finite")
            file.write(values.data)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, indented."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
