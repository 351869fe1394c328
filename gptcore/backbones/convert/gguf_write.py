"""Models as GGUF files, as llama.cpp's own converter names and orders their tensors. Needs the package `gguf`.

What is not understood is refused: an architecture, a value of its config that llama.cpp has no key for, a tensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gptcore.backbones.convert.gguf_families import WRITTEN, Config
from gptcore.errors import UserError


def gguf_obstacle(config: Config) -> str | None:
    """Why a model with that config.json cannot be written; None where it can."""
    kind = config["model_type"]
    if kind not in WRITTEN:
        return f"{kind} is not written as GGUF, only {', '.join(WRITTEN)}: use --to onnx"
    for key, allowed in WRITTEN[kind].only(config).items():
        if config.get(key) not in allowed:
            return f"{key} = {config.get(key)!r}, and llama.cpp computes every {kind} with {allowed[0]!r}"
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        return f"rope_type = {rope.get('rope_type', rope.get('type'))!r} is not written, only 'default'"
    return None


def write_gguf(
    path: Path, config: Config, tensors: Mapping[str, np.ndarray], more: Mapping[str, Any], pooling: str
) -> None:
    """Write a model in float32.

    config: the content of its config.json; tensors: by their names in `transformers`' base model, matrices as
    `nn.Linear` has them; more: metadata of the tokenizer, see `gguf_vocabulary`; pooling: what llama.cpp makes of the
    states of a text where it is not told otherwise, see `gguf.PoolingType`. Raises UserError for a tensor that has no
    place.
    """
    import gguf

    how = WRITTEN[config["model_type"]]
    names = gguf_names(config, tensors)
    writer = gguf.GGUFWriter(str(path), how.kind)
    said = how.metadata(config) | {"pooling_type": int(gguf.PoolingType[pooling.upper()])}
    add_metadata(writer, {_key(how.kind, key): value for key, value in said.items()} | dict(more))
    for name, tensor in tensors.items():
        values = how.values(names[name], tensor, config)
        writer.add_tensor(names[name], np.ascontiguousarray(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_names(config: Config, names: Iterable[str]) -> dict[str, str]:
    """Names of tensors in `transformers`' base model -> in the file. Raises UserError for one that has no place."""
    import gguf

    how = WRITTEN[config["model_type"]]
    (arch,) = (arch for arch, kind in gguf.MODEL_ARCH_NAMES.items() if kind == how.kind)
    known = gguf.get_tensor_name_map(arch, how.metadata(config)["block_count"])
    found: dict[str, str] = {}
    for name in names:
        if (there := known.get_name(name, (".weight", ".bias"))) is None:
            raise UserError(f"{name} has no place in a GGUF file of this architecture")
        found[name] = there
    return found


def add_metadata(writer: Any, metadata: Mapping[str, Any]) -> None:
    """Give a `gguf.GGUFWriter` each value under its key."""
    for key, value in metadata.items():
        match value:
            case bool():
                writer.add_bool(key, value)
            case int():
                writer.add_uint32(key, value)
            case float():
                writer.add_float32(key, value)
            case str():
                writer.add_string(key, value)
            case _:
                writer.add_array(key, value)


def _key(kind: str, key: str) -> str:
    return key if key.startswith("tokenizer.") else f"{kind}.{key}"
