"""GGUF files, through the package `gguf` (extra `hf`): typed metadata, and tensors as float32."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gptcore.backbones.convert.tensors import LazyTensor
from gptcore.errors import UserError, first_line
from gptcore.extras import require


class Metadata:
    """The keys and values of a GGUF file; every key that is asked for counts as understood."""

    def __init__(self, values: dict[str, Any], where: str) -> None:
        self._values, self._where = values, where
        self._asked: set[str] = set()

    def get(self, key: str, kind: type, default: Any = None) -> Any:
        """The value, or the default where there is none. Raises UserError where it is of another kind."""
        self._asked.add(key)
        value = self._values.get(key, default)
        if isinstance(value, bool) != (kind is bool) or not isinstance(value, kind):
            shown = "missing" if value is None else f"{value!r:.60}"
            raise UserError(f"{self._where}: {key} is {shown}: expected a value of type {kind.__name__}")
        return value

    def strings(self, key: str) -> list[str]:
        """A list of strings. Raises UserError for anything else."""
        values: list[str] = self.get(key, list)
        if not all(isinstance(value, str) for value in values):
            raise UserError(f"{self._where}: {key} is not a list of strings")
        return values

    @property
    def n_tokens(self) -> int:
        """Size of the vocabulary."""
        return len(self.strings("tokenizer.ggml.tokens"))

    def ignore(self, *keys: str) -> None:
        """These change nothing that is converted."""
        self._asked.update(keys)

    def expect(self, key: str, *allowed: Any) -> None:
        """Raises UserError for a value that is not allowed; None stands for a key that is not there."""
        self._asked.add(key)
        if (value := self._values.get(key)) not in allowed:
            shown = " or ".join("missing" if each is None else repr(each) for each in allowed)
            raise UserError(f"{self._where}: {key} is {value!r:.60}: only {shown} is supported")

    def refuse_others(self, prefix: str) -> None:
        """Raises UserError for a key with that prefix that nobody asked for: it may change what the model computes."""
        for key in self._values:
            if key.startswith(prefix) and key not in self._asked:
                raise UserError(f"{self._where}: {key} is not supported")


def open_gguf(path: Path) -> tuple[Metadata, dict[str, LazyTensor]]:
    """Metadata and tensors by their names in the file, outer dimension first. Raises UserError."""
    require("gguf", path.name, "hf")
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
        values = {key: field.contents() for key, field in reader.fields.items()}
        # GGUF states the inner dimension first.
        tensors = {
            str(tensor.name): LazyTensor(
                tuple(int(n) for n in reversed(tensor.shape)), partial(_values, tensor, path.name)
            )
            for tensor in reader.tensors
        }
    except Exception as error:  # a damaged file can break its reader in any way
        reason = first_line(error)
        raise UserError(f"{path.name} cannot be read as GGUF: {reason}") from error
    return Metadata(values, path.name), tensors


def _values(tensor: Any, where: str) -> np.ndarray:
    from gguf import dequantize

    shape = tuple(int(n) for n in reversed(tensor.shape))
    try:
        values = dequantize(tensor.data, tensor.tensor_type)
    except NotImplementedError as error:
        kind = tensor.tensor_type.name
        raise UserError(f"{where}: {tensor.name} is quantised as {kind}, which gguf does not read") from error
    return np.asarray(values, dtype=np.float32).reshape(shape)
