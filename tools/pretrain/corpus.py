"""A folder of text files -> documents -> one memory-mapped file of token ids per split."""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gptcore.errors import UserError
from gptcore.files import write_whole

SEPARATOR = "<|endoftext|>"
VALIDATION_SHARE = 100  # one document in so many is held out
SPLITS = ("train", "validation")


def read_documents(corpus: Path) -> Iterator[str]:
    """Every document of every .txt or .txt.xz file, in the order of the file names.

    Documents are separated by a line `<|endoftext|>`. Raises UserError where there is no such file.
    """
    files = sorted([*corpus.glob("*.txt"), *corpus.glob("*.txt.xz")])
    if not files:
        raise UserError(f"--corpus {corpus}: no .txt or .txt.xz file there")
    for path in files:
        open_text = lzma.open if path.suffix == ".xz" else open
        with open_text(path, "rt", encoding="utf-8") as file:
            lines: list[str] = []
            for line in file:
                if line.strip() == SEPARATOR:
                    yield "".join(lines).strip()
                    lines = []
                else:
                    lines.append(line)
            if last := "".join(lines).strip():
                yield last


def split_of(document: str) -> str:
    """ "train" or "validation": a function of the text alone, so equal documents never straddle the two."""
    digest = hashlib.sha256(document.encode()).digest()
    held_out = int.from_bytes(digest[:8], "big") % VALIDATION_SHARE == 0
    return "validation" if held_out else "train"


def tokenise(corpus: Path, work: Path) -> dict[str, Path]:
    """Token files by split, made once: uint16 ids, each document followed by the end-of-text id.

    Documents are ordered by a hash of their text, which mixes the sources. `corpus.json` beside them says
    how many bytes and tokens each holds (bytes per token turn nats into bits per byte).
    """
    paths = {split: work / f"{split}.u16" for split in SPLITS}
    meta_path = work / "corpus.json"
    if meta_path.exists():
        return paths
    work.mkdir(parents=True, exist_ok=True)
    from gptcore.data.tokenizer import load_tokenizer

    tokenizer = load_tokenizer("embedded")
    documents: dict[str, list[str]] = {split: [] for split in SPLITS}
    for document in read_documents(corpus):
        documents[split_of(document)].append(document)
    meta: dict[str, dict[str, int]] = {}
    for split, texts in documents.items():
        texts.sort(key=lambda text: hashlib.sha256(text[:4096].encode()).digest())
        n_tokens = 0
        with paths[split].open("wb") as file:
            for text in texts:
                ids = np.array([*tokenizer.encode(text), tokenizer.pad_id], dtype=np.uint16)
                ids.tofile(file)
                n_tokens += len(ids)
        meta[split] = {
            "documents": len(texts),
            "bytes": sum(len(text.encode()) for text in texts),
            "tokens": n_tokens,
        }
    write_whole(meta_path, json.dumps(meta, indent=2) + "\n")  # last: marks the files whole
    return paths


def open_tokens(path: Path) -> npt.NDArray[np.uint16]:
    """The memory-mapped ids (N,) uint16 of one split."""
    return np.memmap(path, dtype=np.uint16, mode="r")


def bytes_per_token(work: Path, split: str) -> float:
    """UTF-8 bytes of text per token of that split."""
    meta = json.loads((work / "corpus.json").read_text(encoding="utf-8"))[split]
    return float(meta["bytes"]) / float(meta["tokens"])


class WindowOrder:
    """Which windows of a token file each step sees: a new permutation an epoch, from (seed, epoch) alone.

    A run that is killed and resumed at step s therefore continues with the same data.
    """

    def __init__(self, tokens: npt.NDArray[np.uint16], length: int, batch: int, seed: int) -> None:
        self.tokens, self.length, self.batch, self.seed = tokens, length, batch, seed
        self.n_windows = (len(tokens) - 1) // length
        if self.n_windows < batch:
            raise UserError(
                f"the corpus has {len(tokens)} tokens: too few for one batch of {batch} x {length}"
            )
        self._epoch = -1
        self._order: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def batch_at(self, step: int) -> npt.NDArray[np.int64]:
        """(batch, length + 1) int64: inputs and, shifted by one, targets of this step."""
        epoch, within = divmod(step, self.n_windows // self.batch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng((self.seed, epoch)).permutation(self.n_windows)
        windows = self._order[within * self.batch : (within + 1) * self.batch]
        return np.stack([self.tokens[w * self.length : (w + 1) * self.length + 1] for w in windows]).astype(
            np.int64
        )
