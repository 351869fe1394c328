"""Which tokenizer a checkpoint was trained with. Imports no torch."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from gptcore.backbones.checkpoint_files import CONFIG_FILE, is_file, tokenizer_files
from gptcore.backbones.checkpoints import checkpoint_folder, known_folder
from gptcore.backbones.config import REGISTRY, ModelConfig
from gptcore.backbones.hf_config import HFConfig
from gptcore.backbones.model_info import read_info
from gptcore.backbones.tokenizer_files import check_class, open_tokenizer
from gptcore.data.tiktoken_tokenizer import GPT2_N_VOCAB, load_gpt2
from gptcore.data.tokenizer import Tokenizer, load_tokenizer
from gptcore.errors import UserError

# Sizes to which GPT-2's vocabulary is filled up: by a few special tokens, or to a multiple that suits the hardware.
MOST_ADDED = 3
PADDED_TO, MOST_PADDED = 64, 51_200


def checkpoint_tokenizer(name_or_path: str | Path) -> Tokenizer:
    """The tokenizer of a registry name, a checkpoint's folder or a hub id, whose files are downloaded if need be.

    Raises UserError where it cannot be read, or has larger token ids than the model has embeddings.
    """
    name = str(name_or_path)
    for known, entry in REGISTRY.items():
        if name in (known, entry.source):
            return load_tokenizer(entry.config.tokenizer)
    folder = known_folder(name) or checkpoint_folder(name)
    files = [folder / CONFIG_FILE, *tokenizer_files(folder)]
    state = tuple(
        (path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files if is_file(path)
    )
    return _open(folder, state)


@lru_cache(maxsize=8)
def _open(folder: Path, _state: tuple[tuple[str, int, int], ...]) -> Tokenizer:
    config = read_info(folder)
    if isinstance(config, HFConfig):
        tokenizer = open_tokenizer(folder, special=True)
    else:
        tokenizer = open_tokenizer(folder) if config.tokenizer == "own" else _by_name(folder, config)
    if tokenizer.n_vocab > config.vocab_size:
        raise UserError(
            f"{folder}: its tokenizer has ids up to {tokenizer.n_vocab - 1:,}, and vocab_size = {config.vocab_size} in "
            "config.json: the model has no embedding for the largest"
        )
    if config.context <= (around := len(tokenizer.prefix) + len(tokenizer.suffix)):
        raise UserError(
            f"{folder}: config.json has room for {config.context} tokens, and {around} special tokens go around each "
            "text: the model reads no text"
        )
    return tokenizer


def _by_name(folder: Path, config: ModelConfig) -> Tokenizer:
    """The tokenizer of a checkpoint without tokenizer files. Raises UserError where it cannot be determined."""
    if config.tokenizer != "gpt2":
        return load_tokenizer(config.tokenizer)
    check_class(folder)
    more = config.vocab_size - GPT2_N_VOCAB
    is_padded = config.vocab_size % PADDED_TO == 0 and config.vocab_size <= MOST_PADDED
    if more < 0 or not (more <= MOST_ADDED or is_padded):
        raise UserError(
            f"{folder} has no tokenizer files, and vocab_size = {config.vocab_size} is not that of GPT-2's vocabulary "
            f"({GPT2_N_VOCAB}): copy its tokenizer.json into the folder"
        )
    return replace(load_gpt2(), notes=("no tokenizer files: GPT-2's vocabulary is assumed",))
