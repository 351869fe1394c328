"""A toy corpus and a toy size, small enough that a whole pretraining run takes a fraction of a second."""

import lzma
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from gptcore.backbones.config import REGISTRY, ModelConfig, ModelEntry
from tools.pretrain import loop
from tools.pretrain.corpus import split_of

WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "is",
    "that",
    "it",
    "naïve",
    "café",
    "数",
    "字",
    "😀",
    "don't",
    "1984",
]


@pytest.fixture(scope="session")
def documents() -> list[str]:
    """300 documents of the training part and 6 that are held out, in no order."""
    rng = random.Random(0)
    chosen: dict[str, list[str]] = {"train": [], "validation": []}
    while len(chosen["train"]) < 300 or len(chosen["validation"]) < 6:
        text = " ".join(rng.choices(WORDS, k=60))
        chosen[split_of(text)].append(text)
    texts = chosen["train"][:300] + chosen["validation"][:6]
    rng.shuffle(texts)
    return texts


@pytest.fixture(scope="session")
def corpus(documents: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documents in two files, one of them compressed."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "a.txt").write_text("\n\n<|endoftext|>\n\n".join(documents[:100]), encoding="utf-8")
    with lzma.open(folder / "b.txt.xz", "wt", encoding="utf-8") as file:
        file.write("\n\n<|endoftext|>\n\n".join(documents[100:]) + "\n\n<|endoftext|>\n")
    return folder


@pytest.fixture
def toy_size(monkeypatch: pytest.MonkeyPatch) -> str:
    """A registry name for a tiny model; training needs no compiler and runs in float32."""
    config = ModelConfig(d_model=16, n_layer=2, n_head=2, context=8, vocab_size=64)
    monkeypatch.setitem(REGISTRY, "toy", ModelEntry(config=config, source="bundled", about="a toy"))
    monkeypatch.setattr(torch, "compile", lambda function: function)
    monkeypatch.setattr(loop, "_has_bfloat16", lambda _device: False)
    return "toy"


@pytest.fixture(scope="session")
def tokens() -> np.ndarray:
    """1,000 ids below 64, each mostly decided by the one before."""
    rng = np.random.default_rng(0)
    ids = [1]
    for _ in range(999):
        ids.append((ids[-1] * 5 + 3) % 64 if rng.random() < 0.9 else int(rng.integers(64)))
    return np.array(ids, dtype=np.uint16)
