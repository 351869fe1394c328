"""Names, types and shapes of a safetensors file, from its header alone. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from gptcore.backbones.checkpoint_files import parse_json, printable
from gptcore.errors import UserError

LENGTH_BYTES = 8  # of the header's length, little-endian
HEADER_LIMIT_BYTES = 100_000_000  # as in the safetensors library
# Bytes of one element, of the types that safetensors names by whole bytes.
ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1}
ITEM_BYTES |= {"U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8}


@dataclass(frozen=True)
class TensorInfo:
    """A tensor in a file. dtype: as safetensors names it, such as "F32"; shape: as the file has it."""

    dtype: str
    shape: tuple[int, ...]


def read_headers(paths: Sequence[Path]) -> dict[str, TensorInfo]:
    """The tensors of one or more safetensors files. Raises UserError where a name is in two of them."""
    found: dict[str, TensorInfo] = {}
    for path in paths:
        tensors = read_header(path)
        if twice := found.keys() & tensors.keys():
            raise UserError(f"{path}: the tensor {printable(min(twice))} is in another shard as well")
        found |= tensors
    return found


def read_header(path: Path) -> dict[str, TensorInfo]:
    """The tensors of a safetensors file. Raises UserError where the file is damaged or cut off."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
            if size < LENGTH_BYTES or length > min(HEADER_LIMIT_BYTES, size - LENGTH_BYTES):
                raise ValueError("it is cut off, or not a safetensors file")
            header = parse_json(file.read(length).decode("utf-8"))
        return _tensors(header, size - LENGTH_BYTES - length)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _tensors(header: dict[str, Any], n_bytes: int) -> dict[str, TensorInfo]:
    """The header's tensors. Raises ValueError unless they fill the file's `n_bytes` without gap or overlap."""
    found, ranges = {}, []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        info, (begin, end) = _entry(printable(name), entry)
        found[name] = info
        ranges.append((begin, end, name))
    at = 0
    for begin, end, name in sorted(ranges):
        if begin != at:
            raise ValueError(f"the tensor {printable(name)} begins at byte {begin} instead of {at}")
        at = end
    if at != n_bytes:
        raise ValueError(
            f"its tensors take {at:,} bytes, and the file has {n_bytes:,}: it is cut off or damaged"
        )
    return found


def _entry(name: str, entry: Any) -> tuple[TensorInfo, tuple[int, int]]:
    """A tensor and its bytes' place. Raises ValueError."""
    if not isinstance(entry, dict):
        raise ValueError(f"the tensor {name} has no description")
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not (isinstance(dtype, str) and _is_counts(shape) and _is_counts(offsets) and len(offsets) == 2):
        raise ValueError(f"the tensor {name} has no type, shape and place")
    begin, end = offsets
    n_bytes = math.prod(shape) * ITEM_BYTES.get(dtype, 0)
    if begin > end or (dtype in ITEM_BYTES and end - begin != n_bytes):
        raise ValueError(f"the tensor {name} does not fill its place")
    return TensorInfo(dtype, tuple(shape)), (begin, end)


def _is_counts(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(each) is int and 0 <= each < 2**63 for each in value)
