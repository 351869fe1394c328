"""The tokenizer's files in a classifier's folder, so that it needs no cache and no network. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gptcore.backbones.checkpoint_files import (
    ADDED_TOKENS,
    CONFIG_FILE,
    TOKENIZER,
    TOKENIZER_CONFIG,
    TOKENIZER_SPECIALS,
    VOCABULARIES,
    is_file,
    read_json,
    tokenizer_files,
)
from gptcore.backbones.gpt2_vocabulary import byte_symbols
from gptcore.backbones.hf_config import is_hf_config
from gptcore.backbones.tokenizer_files import open_tokenizer
from gptcore.data.hf_tokenizer import HFTokenizer
from gptcore.data.prompted import PromptedTokenizer
from gptcore.data.tiktoken_tokenizer import END_OF_TEXT, TiktokenTokenizer, gpt2_of_tokens, load_embedded
from gptcore.data.tokenizer import Tokenizer
from gptcore.errors import UserError
from gptcore.export.tokenizer_json import tokenizer_files as files_of
from gptcore.files import write_whole
from gptcore.training.base import Base

# What a classifier's folder may have of its tokenizer; the config of its model may say what fills up rows.
KEPT_FILES = (TOKENIZER_CONFIG, TOKENIZER_SPECIALS, ADDED_TOKENS, *VOCABULARIES, CONFIG_FILE)


def files_to_keep(tokenizer: Tokenizer, length: int) -> dict[str, bytes]:
    """File name -> content: copies of its own files, or of a vocabulary by name what `transformers` opens.

    length: tokens that texts are cut to. Raises UserError.
    """
    plain = tokenizer.plain if isinstance(tokenizer, PromptedTokenizer) else tokenizer
    if isinstance(plain, HFTokenizer):
        assert plain.folder is not None
        config = plain.folder / CONFIG_FILE
        own = [*tokenizer_files(plain.folder), *([config] if is_file(config) else [])]
        return {path.name: path.read_bytes() for path in own}
    return {name: content.encode() for name, content in files_of(plain, length).items()}


def replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the tokenizer's files, and remove those of the tokenizer that was there. Raises UserError."""
    for name in KEPT_FILES:
        if name not in files:
            (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        write_whole(folder / name, content)


def kept_tokenizer(folder: Path, base: Base) -> Tokenizer | None:
    """The tokenizer of a folder; None of one that is older than these files. Raises UserError where it is another."""
    if not any(is_file(folder / name) for name in VOCABULARIES):
        return None
    if base.tokenizer == "embedded":
        tokenizer: Tokenizer = load_embedded()
    elif base.tokenizer == "gpt2":
        tokenizer = _gpt2(folder / TOKENIZER)
    else:
        tokenizer = open_tokenizer(folder, special=is_hf_config(base.config))
    if tokenizer.fingerprint != base.tokenizer_fingerprint:
        raise UserError("the tokenizer's files are not those that the classifier was trained with")
    return tokenizer


def _gpt2(path: Path) -> TiktokenTokenizer:
    """GPT-2's, of which the vocabulary says all: tiktoken merges in the order of ids."""
    byte_of = byte_symbols()
    try:
        vocab: dict[str, int] = read_json(path)["model"]["vocab"]
        tokens = {
            token.encode() if token == END_OF_TEXT else bytes(byte_of[symbol] for symbol in token): i
            for token, i in vocab.items()
        }
        return gpt2_of_tokens(tokens)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path.name} is damaged: {type(error).__name__} {error}") from error
