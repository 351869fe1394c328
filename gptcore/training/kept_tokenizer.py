"""The tokenizer's files in a classifier's folder, so that it needs no cache and no network. Imports no torch."""

from __future__ import annotations

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
from gptcore.backbones.gpt2_vocabulary import tokens_of_gpt2
from gptcore.backbones.hf_config import is_hf_config
from gptcore.backbones.tokenizer_files import open_tokenizer
from gptcore.backbones.tokenizer_json import tokenizer_files as files_of
from gptcore.data.hf_tokenizer import HFTokenizer
from gptcore.data.prompted import without_prompt
from gptcore.data.tiktoken_tokenizer import TiktokenTokenizer, gpt2_of_tokens, load_embedded
from gptcore.data.tokenizer import Tokenizer
from gptcore.errors import UserError
from gptcore.training.base import Base

# What a classifier's folder may have of its tokenizer; the config of its model may say what fills up rows.
KEPT_FILES = (TOKENIZER_CONFIG, TOKENIZER_SPECIALS, ADDED_TOKENS, *VOCABULARIES, CONFIG_FILE)


def files_to_keep(tokenizer: Tokenizer, length: int) -> dict[str, bytes]:
    """File name -> content: copies of its own files, or GPT-2's as `transformers` opens it.

    The bundled vocabulary needs none: it ships with this package. length: tokens that texts are cut to. Raises
    UserError.
    """
    plain = without_prompt(tokenizer)
    if isinstance(plain, HFTokenizer):
        assert plain.folder is not None
        config = plain.folder / CONFIG_FILE
        own = [*tokenizer_files(plain.folder), *([config] if is_file(config) else [])]
        return {path.name: path.read_bytes() for path in own}
    if plain.name == "embedded":
        return {}
    return {name: content.encode() for name, content in files_of(plain, length).items()}


def kept_tokenizer(folder: Path, base: Base) -> Tokenizer | None:
    """A classifier's tokenizer: the bundled one, or that of its folder's files; None where it needs files and has none.

    Folders of older versions have none. Raises UserError where the files are damaged or another tokenizer's.
    """
    if base.tokenizer == "embedded":
        tokenizer: Tokenizer = load_embedded()
    elif not any(is_file(folder / name) for name in VOCABULARIES):
        return None
    elif base.tokenizer == "gpt2":
        tokenizer = _gpt2(folder / TOKENIZER)
    else:
        tokenizer = open_tokenizer(folder, special=is_hf_config(base.config))
    if tokenizer.fingerprint != base.tokenizer_fingerprint:
        raise UserError("its tokenizer is not the one that the classifier was trained with")
    return tokenizer


def _gpt2(path: Path) -> TiktokenTokenizer:
    """GPT-2's, of which the vocabulary says all: tiktoken merges in the order of ids. Raises UserError."""
    try:
        tokens = tokens_of_gpt2(read_json(path)["model"]["vocab"])
    except (KeyError, TypeError, AttributeError):  # it is JSON, but of another shape
        tokens = None
    if tokens is None:
        raise UserError(f"{path.name} is damaged: it does not hold GPT-2's vocabulary")
    return gpt2_of_tokens(tokens)
