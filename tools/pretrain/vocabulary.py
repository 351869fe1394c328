"""The bundled vocabulary: a byte-level BPE (Sennrich et al. 2016) trained with `tokenizers`, kept as tiktoken ranks."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gptcore.files import write_whole
from tools.pretrain.corpus import read_documents, split_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCAB_SIZE = 8192  # the last id is <|endoftext|>


def train_bpe(texts: Iterable[str], n_tokens: int = VOCAB_SIZE - 1) -> Tokenizer:
    """A `tokenizers` BPE over all 256 bytes with GPT-2's way of splitting text into words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=n_tokens, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    return bpe


def to_tiktoken_ranks(bpe: Tokenizer) -> dict[bytes, int]:
    """Token bytes -> rank. `tokenizers` numbers tokens in order of their merge, which is tiktoken's rank."""
    byte_of = _bytes_of_characters()
    return {bytes(byte_of[c] for c in token): rank for token, rank in bpe.get_vocab().items()}


def write_ranks(ranks: dict[bytes, int], path: Path) -> None:
    """tiktoken's text format: base64 of the token, a space, its rank; a line each."""
    ordered = sorted(ranks.items(), key=lambda item: item[1])
    lines = (f"{base64.b64encode(token).decode()} {rank}\n" for token, rank in ordered)
    write_whole(path, "".join(lines))


def train_vocabulary(corpus: Path, path: Path) -> None:
    """Train on the training documents of `corpus` and write the ranks to `path`."""
    texts: Iterator[str] = (text for text in read_documents(corpus) if split_of(text) == "train")
    write_ranks(to_tiktoken_ranks(train_bpe(texts)), path)


def _bytes_of_characters() -> dict[str, int]:
    """GPT-2's printable stand-ins: byte values that print stand for themselves, the others follow from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(hidden)}
