"""Text to token ids and back: GPT-2's vocabulary, and the one that comes with the bundled models.

Both are byte-level BPE (Radford et al. 2019, section 2.2) run by tiktoken, cut texts by GPT-2's pattern, and
have one special token, <|endoftext|>.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from gptcore.errors import UserError
from gptcore.files import write_whole

if TYPE_CHECKING:
    import tiktoken

    from gptcore.data.assets import Asset

END_OF_TEXT = "<|endoftext|>"
EMBEDDED_N_VOCAB = 8192  # <|endoftext|> included
# How GPT-2 cuts text before merging, with possessive quantifiers, which cut the same and never backtrack.
GPT2_SPLIT_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary by name. `fingerprint`: SHA-256 (hex) over the bytes of every token, by id."""

    name: str
    fingerprint: str
    _encoding: tiktoken.Encoding = field(repr=False, compare=False)

    @property
    def n_vocab(self) -> int:
        """Number of token ids, special ones included."""
        return self._encoding.n_vocab

    @property
    def pad_id(self) -> int:
        """The id that fills up short rows: that of <|endoftext|>, as GPT-2 has no token for padding."""
        return self._encoding.eot_token

    def encode(self, text: str) -> list[int]:
        """Token ids. `<|endoftext|>` inside a text is text like any other, never the special token.

        Raises UserError for a text that is too much for the pattern: a million blanks in a row, about.
        """
        try:
            return self._encoding.encode_ordinary(text)
        except BaseException as error:
            # A panic of tiktoken's Rust code is no Exception, and would end the process.
            if type(error).__name__ != "PanicException":
                raise
            raise UserError(
                f"a text of {len(text):,} characters, beginning {text[:40]!r}, is too much for the "
                "tokenizer: cut its long runs of blanks"
            ) from error

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, as `encode` gives them."""
        return [self.encode(text) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids; bytes that are no UTF-8 become U+FFFD. Raises KeyError for an unknown id."""
        return self._encoding.decode(ids)


@functools.cache
def load_tokenizer(name: str) -> Tokenizer:
    """The tokenizer "gpt2" (fetched once if need be) or "embedded". Raises UserError for any other name."""
    if name == "gpt2":
        encoding = _gpt2_encoding()
    elif name == "embedded":
        encoding = _embedded_encoding()
    else:
        raise UserError(f"unknown tokenizer {name!r}: use 'gpt2' or 'embedded'")
    return Tokenizer(name, _fingerprint(encoding), encoding)


def place_gpt2_files() -> None:
    """See to it that `tiktoken.get_encoding("gpt2")` finds its two files in its cache and need not go online.

    Raises UserError if they are not there and no source has them.
    """
    from gptcore.data.assets import CACHE_REMEDY, GPT2_ENCODER, GPT2_MERGES, fetch, holds

    folder = _tiktoken_cache_dir()
    for asset in (GPT2_MERGES, GPT2_ENCODER):
        path = folder / _tiktoken_cache_name(asset)
        if not holds(path, asset):
            write_whole(path, fetch(asset).read_bytes(), CACHE_REMEDY)


def _gpt2_encoding() -> tiktoken.Encoding:
    import tiktoken

    place_gpt2_files()
    return tiktoken.get_encoding("gpt2")


def _tiktoken_cache_dir() -> Path:
    """Where tiktoken keeps its downloads (the rules of `tiktoken.load.read_file_cached`)."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        folder = os.environ.get(variable)
        if folder == "":
            raise UserError(
                f"{variable} is empty, which turns tiktoken's cache off: unset it, or name a folder in it"
            )
        if folder is not None:
            return Path(folder)
    return Path(tempfile.gettempdir()) / "data-gym-cache"


def _tiktoken_cache_name(asset: Asset) -> str:
    """tiktoken names a file by the SHA-1 of the address it comes from, here the asset's first source."""
    return hashlib.sha1(str(asset.sources[0]).encode()).hexdigest()


def _embedded_encoding() -> tiktoken.Encoding:
    import tiktoken

    ranks: dict[bytes, int] = {}
    vocabulary = files("gptcore") / "backbones" / "pretrained" / "vocab.tiktoken"
    for line in vocabulary.read_bytes().splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    return tiktoken.Encoding(
        "embedded",
        pat_str=GPT2_SPLIT_PATTERN,
        mergeable_ranks=ranks,
        special_tokens={END_OF_TEXT: EMBEDDED_N_VOCAB - 1},
        explicit_n_vocab=EMBEDDED_N_VOCAB,
    )


def _fingerprint(encoding: tiktoken.Encoding) -> str:
    digest = hashlib.sha256()
    for token in range(encoding.n_vocab):
        digest.update(base64.b64encode(encoding.decode_single_token_bytes(token)) + b"\n")
    return digest.hexdigest()
