"""GPT-2's vocabulary, and the one that comes with the bundled models, run by tiktoken.

Both are byte-level BPE (Radford et al. 2019, section 2.2), cut texts by GPT-2's pattern, and have one special token,
<|endoftext|>.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
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
GPT2_N_VOCAB = 50257  # likewise
# SHA-256 over the bytes of GPT-2's tokens, see `fingerprint_of`.
GPT2_FINGERPRINT = "db72d43184117e3dea34e7ab08327c60740ad68606c726d0bfac4ff6eceab623"
# How GPT-2 cuts text before merging, with possessive quantifiers, which cut the same and never backtrack.
GPT2_SPLIT_PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


@dataclass(frozen=True)
class TiktokenTokenizer:
    """A vocabulary by name. `fingerprint`: SHA-256 (hex) over the bytes of every token, by id."""

    name: str
    fingerprint: str
    _encoding: tiktoken.Encoding = field(repr=False, compare=False)
    notes: tuple[str, ...] = ()
    prefix: tuple[int, ...] = ()
    suffix: tuple[int, ...] = ()

    @property
    def n_vocab(self) -> int:
        """Number of token ids, special ones included."""
        return self._encoding.n_vocab

    @property
    def unk_id(self) -> None:
        """There is none: every byte has a token."""
        return None

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

    def tokens(self) -> list[bytes]:
        """The bytes of every token, by id."""
        return [self._encoding.decode_single_token_bytes(token) for token in range(self.n_vocab)]


@functools.cache
def load_gpt2() -> TiktokenTokenizer:
    """GPT-2's tokenizer, its two files fetched once if need be. Raises UserError where no source has them."""
    import tiktoken

    place_gpt2_files()
    return _named("gpt2", tiktoken.get_encoding("gpt2"))


def gpt2_of_tokens(tokens: Mapping[bytes, int]) -> TiktokenTokenizer:
    """GPT-2's tokenizer from its own tokens with their ids, <|endoftext|> among them. Fetches nothing."""
    import tiktoken

    end = END_OF_TEXT.encode()
    ranks = {token: i for token, i in tokens.items() if token != end}
    encoding = tiktoken.Encoding(
        "gpt2",
        pat_str=GPT2_SPLIT_PATTERN,
        mergeable_ranks=ranks,
        special_tokens={END_OF_TEXT: tokens[end]},
        explicit_n_vocab=GPT2_N_VOCAB,
    )
    return _named("gpt2", encoding)


@functools.cache
def load_embedded() -> TiktokenTokenizer:
    """The tokenizer of the bundled models."""
    return _named("embedded", _embedded_encoding())


def fingerprint_of(tokens: Sequence[bytes]) -> str:
    """SHA-256 (hex) over the bytes of every token, in the order of their ids."""
    digest = hashlib.sha256()
    for token in tokens:
        digest.update(base64.b64encode(token) + b"\n")
    return digest.hexdigest()


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


def _named(name: str, encoding: tiktoken.Encoding) -> TiktokenTokenizer:
    tokens = [encoding.decode_single_token_bytes(token) for token in range(encoding.n_vocab)]
    return TiktokenTokenizer(name, fingerprint_of(tokens), encoding)


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
