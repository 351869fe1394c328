"""A tokenizer of the `tokenizers` library, as the texts of a data set are given to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gptcore.errors import UserError, first_line

if TYPE_CHECKING:
    import tokenizers


@dataclass(frozen=True)
class HFTokenizer:
    """A checkpoint's own tokenizer, see `gptcore.data.tokenizer.Tokenizer`.

    Takes the library's tokenizer over: padding and truncation, which may be set in its file, are switched off, and
    special tokens inside a text are text. folder: where its files are, if it was read from files.
    """

    name: str
    fingerprint: str
    pad_id: int
    _tokenizer: tokenizers.Tokenizer = field(repr=False, compare=False)
    notes: tuple[str, ...] = ()
    prefix: tuple[int, ...] = ()
    suffix: tuple[int, ...] = ()
    folder: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True

    @cached_property
    def n_vocab(self) -> int:
        """The largest token id and one."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    @cached_property
    def unk_id(self) -> int | None:
        """The token for what the vocabulary does not know; None where the model has none."""
        unknown = getattr(self._tokenizer.model, "unk_token", None)
        return None if unknown is None else self._tokenizer.token_to_id(unknown)

    def encode(self, text: str) -> list[int]:
        """Token ids, `prefix` and `suffix` included. Raises UserError for a text that is too much."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, as `encode` gives them."""
        try:
            encoded = self._tokenizer.encode_batch([*map(_unicode, texts)], add_special_tokens=False)
        except BaseException as error:
            # A panic of Rust code is no Exception, and would end the process.
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":
                reason = first_line(error)
                raise UserError(f"the tokenizer {self.name} fails on a text: {reason}") from error
            raise
        return [[*self.prefix, *each.ids, *self.suffix] for each in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids. Raises KeyError for an unknown id."""
        for i in ids:
            if self._tokenizer.id_to_token(i) is None:
                raise KeyError(i)
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def as_json(self) -> str:
        """The content of a tokenizer.json."""
        return str(self._tokenizer.to_str())


def _unicode(text: str) -> str:
    """The text with lone surrogates, which UTF-8 does not have, replaced by U+FFFD (as tiktoken does)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
