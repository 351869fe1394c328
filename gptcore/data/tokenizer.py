"""Text to token ids and back, whatever the library behind it. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gptcore.data.tiktoken_tokenizer import load_embedded, load_gpt2
from gptcore.errors import UserError


class Tokenizer(Protocol):
    """A vocabulary and how texts are cut into it.

    fingerprint: SHA-256 (hex) of what decides ids; n_vocab: the largest id and one; pad_id: fills up short rows;
    unk_id: stands for what the vocabulary does not know, None where it knows every byte; prefix, suffix: special tokens
    that are put around each text, such as BERT's [CLS] and [SEP];
    notes: what a user should know of it. A special token inside a text is text like any other.
    """

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def n_vocab(self) -> int: ...
    @property
    def pad_id(self) -> int: ...
    @property
    def unk_id(self) -> int | None: ...
    @property
    def prefix(self) -> tuple[int, ...]: ...
    @property
    def suffix(self) -> tuple[int, ...]: ...
    def encode(self, text: str) -> list[int]:
        """Token ids, `prefix` and `suffix` included. Raises UserError for a text that is too much."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, as `encode` gives them."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids. Raises KeyError for an unknown id."""


def cut_tokens(tokenizer: Tokenizer, ids: Sequence[int], length: int) -> Sequence[int]:
    """The first tokens of a text as `encode` gives it, `length` of them with the special tokens at its end."""
    if len(ids) <= length or not tokenizer.suffix:
        return ids[:length]
    return [*ids[: length - len(tokenizer.suffix)], *tokenizer.suffix]


def without_specials(tokenizer: Tokenizer, ids: Sequence[int]) -> Sequence[int]:
    """A text as `encode` gives it, or as `cut_tokens` has cut it, without the special tokens around it."""
    return ids[len(tokenizer.prefix) : len(ids) - len(tokenizer.suffix)]


def load_tokenizer(name: str) -> Tokenizer:
    """The tokenizer "gpt2" (fetched once if need be) or "embedded". Raises UserError for any other name."""
    if name == "gpt2":
        return load_gpt2()
    if name == "embedded":
        return load_embedded()
    raise UserError(f"unknown tokenizer {name!r}: use 'gpt2' or 'embedded'")
