"""Headers of safetensors files: what torch's reader finds in them, and whatever else a file may hold."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from gptcore.backbones.safetensors_header import TensorInfo, read_header, read_headers
from gptcore.errors import UserError

fuzzed = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path: Path, header: Any, n_bytes: int = 0, length: int | None = None) -> Path:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    length = len(content) if length is None else length
    path.write_bytes(length.to_bytes(8, "little") + content + bytes(n_bytes))
    return path


def refusal(path: Path) -> str:
    """What a user is told; empty where the header is read."""
    try:
        read_header(path)
    except UserError as error:
        return str(error)
    return ""


def tensor(begin: int, n: int, **changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [n], "data_offsets": [begin, begin + 4 * n]} | changes


def test_a_written_file_is_read(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(2, 3), "b": torch.ones(4, dtype=torch.bfloat16), "c": torch.tensor(1.0)}
    save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    assert read_header(tmp_path / "x.safetensors") == {
        "a": TensorInfo("F32", (2, 3)),
        "b": TensorInfo("BF16", (4,)),
        "c": TensorInfo("F32", ()),
    }


DAMAGED: list[tuple[Any, int, str]] = [
    (b"{", 0, "Expecting property name"),
    (b"[]", 0, "it holds a list"),
    (b'{"a": 1}', 0, "the tensor a has no description"),
    (b"\xff\xff", 0, "codec can't decode"),
    (b'{"a": {}, "a": {}}', 0, "the key 'a' stands twice"),
    (b'{"a": ' + b"[" * 10**5, 0, "nested too deeply"),
    ({"a": tensor(0, 2, shape=[-2])}, 8, "has no type, shape and place"),
    ({"a": tensor(0, 2, shape=[2.0])}, 8, "has no type, shape and place"),
    ({"a": tensor(0, 2, shape=[3])}, 8, "does not fill its place"),
    ({"a": tensor(0, 2, data_offsets=[8, 0])}, 8, "does not fill its place"),
    ({"a": tensor(0, 2), "b": tensor(4, 2)}, 12, "the tensor b begins at byte 4 instead of 8"),
    ({"a": tensor(0, 2), "b": tensor(12, 2)}, 20, "the tensor b begins at byte 12 instead of 8"),
    ({"a": tensor(0, 2)}, 7, "take 8 bytes, and the file has 7: it is cut off"),
    ({"a": tensor(0, 2)}, 9, "take 8 bytes, and the file has 9"),
]


@pytest.mark.parametrize(("header", "n_bytes", "reason"), DAMAGED)
def test_damaged_files_are_one_line(tmp_path: Path, header: Any, n_bytes: int, reason: str) -> None:
    path = write(tmp_path / "x.safetensors", header, n_bytes)
    with pytest.raises(UserError) as caught:
        read_header(path)
    assert str(caught.value).startswith(f"{path} cannot be read: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(SafetensorError):
        safe_open(path, "pt")


@pytest.mark.parametrize("length", [3, 100, 10**8 + 1, 2**63, 2**64 - 1])
def test_a_length_beyond_the_file_allocates_nothing(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / "x.safetensors", b"{}", length=length)
    with pytest.raises(UserError, match="cut off, or not a safetensors file"):
        read_header(path)


def test_a_name_in_two_shards(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{i}.safetensors", {"a": tensor(0, 1)}, 4) for i in range(2)]
    with pytest.raises(UserError, match=r"1\.safetensors: the tensor a is in another shard as well"):
        read_headers(paths)


@fuzzed
@given(content=st.binary(max_size=60), cut=st.integers(0, 200))
def test_whatever_bytes_a_file_has(tmp_path: Path, content: bytes, cut: int) -> None:
    save_file({"a": torch.ones(3)}, tmp_path / "x.safetensors")
    whole = (tmp_path / "x.safetensors").read_bytes()
    for each in (content, whole[:cut], content + whole[len(content) :]):
        (tmp_path / "x.safetensors").write_bytes(each)
        assert "\n" not in refusal(tmp_path / "x.safetensors")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
ENTRY = st.fixed_dictionaries({"dtype": JSON | st.just("F32"), "shape": JSON, "data_offsets": JSON}) | JSON


@fuzzed
@given(header=st.dictionaries(st.text(max_size=9), ENTRY, max_size=3), n_bytes=st.integers(0, 9))
def test_whatever_a_header_says(tmp_path: Path, header: dict[str, Any], n_bytes: int) -> None:
    assert "\n" not in refusal(write(tmp_path / "x.safetensors", header, n_bytes))
