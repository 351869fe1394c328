"""What any tokenizer.json has: special tokens, the model of a byte-pair encoding, GPT-2's cutting of words."""

from __future__ import annotations

from typing import Any


def added_token(i: int, content: str, special: bool = True) -> dict[str, Any]:
    """An entry of `added_tokens`: a token of that id that is cut out of a text as it stands."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": i, "content": content, **flags, "special": special}


def bpe_model(vocab: dict[str, int], merges: list[list[str]], **changes: Any) -> dict[str, Any]:
    """The `model` of a byte-pair encoding, with the library's defaults but for the changes."""
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": vocab,
        "merges": merges,
    } | changes


def byte_level(add_prefix_space: bool = False) -> dict[str, Any]:
    """GPT-2's cutting of a text into words of bytes, as pre-tokenizer or decoder."""
    return {
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": True,
        "use_regex": True,
    }
