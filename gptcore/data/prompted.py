"""A tokenizer that puts the tokens of a learned prompt before each text. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gptcore.data.tokenizer import Tokenizer

FIRST_PROMPT_ID = (
    2**30
)  # above the ids of any vocabulary; the embedding knows them (`gptcore.methods.prompt_layers`)


@dataclass(frozen=True)
class PromptedTokenizer:
    """A tokenizer whose texts begin with n prompt tokens, as if they were its own special tokens.

    So positions, padding, truncation and packing treat them as what they are, the beginning of every row. n_vocab and
    fingerprint are those of the vocabulary itself.
    """

    plain: Tokenizer
    n: int

    @property
    def name(self) -> str:
        """The vocabulary's."""
        return self.plain.name

    @property
    def fingerprint(self) -> str:
        """The vocabulary's."""
        return self.plain.fingerprint

    @property
    def notes(self) -> tuple[str, ...]:
        """The vocabulary's."""
        return self.plain.notes

    @property
    def n_vocab(self) -> int:
        """The vocabulary's."""
        return self.plain.n_vocab

    @property
    def pad_id(self) -> int:
        """The vocabulary's."""
        return self.plain.pad_id

    @property
    def unk_id(self) -> int | None:
        """The vocabulary's."""
        return self.plain.unk_id

    @property
    def prefix(self) -> tuple[int, ...]:
        """The prompt, then the special tokens that stand before a text."""
        return (*range(FIRST_PROMPT_ID, FIRST_PROMPT_ID + self.n), *self.plain.prefix)

    @property
    def suffix(self) -> tuple[int, ...]:
        """The special tokens that stand behind a text."""
        return self.plain.suffix

    def encode(self, text: str) -> list[int]:
        """Token ids, `prefix` and `suffix` included. Raises UserError for a text that is too much."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, as `encode` gives them."""
        prompt = list(range(FIRST_PROMPT_ID, FIRST_PROMPT_ID + self.n))
        return [prompt + ids for ids in self.plain.encode_batch(texts)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, the prompt left out. Raises KeyError for an unknown id."""
        return self.plain.decode([id_ for id_ in ids if id_ < FIRST_PROMPT_ID])


def without_prompt(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer itself, which puts no prompt before a text."""
    return tokenizer.plain if isinstance(tokenizer, PromptedTokenizer) else tokenizer
