"""Kept classifiers to be exported, of toy GPTs and toy models of `transformers`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptcore import Recipe, load_dataset
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.gpt2_vocabulary import byte_symbols
from gptcore.backbones.weights import random_gpt, save_gpt
from gptcore.product import folder as folder_module
from gptcore.product.fitting import fit_to_keep, threshold_for_cost
from gptcore.product.folder import write_folder

CONFIG = ModelConfig(d_model=8, n_layer=3, n_head=2, context=16, vocab_size=8192, tokenizer="embedded")
WORDS = {"spam": ["win", "prize", "now", "free", "call"], "ham": ["see", "you", "at", "home", "now"]}
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SPECIALS = ["<s>", "<pad>", "</s>"]  # ids 0, 1, 2, as the toys of `tests.parity.toys` have them


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 labelled texts."""
    rng = np.random.default_rng(0)
    rows = ["text,label"]
    for i in range(120):
        label = ("ham", "spam")[i % 2]
        rows.append(f"{' '.join(rng.choice(WORDS[label], size=5))} {i},{label if i % 7 else 'ham'}")
    path = tmp_path_factory.mktemp("data") / "reviews.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def bytes_tokenizer() -> Any:
    """Byte-level BPE whose tokens are bytes, and "no"."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    vocab = {name: i for i, name in enumerate([*SPECIALS, *byte_symbols(), "no"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[("n", "o")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def sentencepiece_tokenizer() -> Any:
    """Gemma's kind of BPE: letters, "in", "no" and "win", and bytes for what is not known."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    tokens = ["<unk>", *(f"<0x{i:02X}>" for i in range(256)), "\u2581", *LETTERS, "in", "no", "win"]
    vocab = {name: i for i, name in enumerate([*SPECIALS, *tokens])}
    merges = [("i", "n"), ("n", "o"), ("w", "in")]
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.decoder = decoders.ByteFallback()
    return tokenizer


def wordpiece_tokenizer() -> Any:
    """BERT's: letters and digits, at the beginning of a word and in it, "win" and "##no"."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokens = ["[UNK]", *LETTERS, *(f"##{letter}" for letter in LETTERS), *"'.<|>/", "win", "##no"]
    vocab = {name: i for i, name in enumerate([*SPECIALS, *tokens])}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def save_tokenizer(tokenizer: Any, folder: Path, around: bool) -> None:
    """A tokenizer's files; around: special tokens stand around a text."""
    from tokenizers import AddedToken, processors

    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIALS])
    if around:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = {"pad_token": "<pad>", "eos_token": "</s>", "bos_token": "<s>"}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", **roles}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Writes a toy of a family of `transformers` with a tokenizer."""

    def make(
        family: str,
        around: bool = False,
        tokenizer: Callable[[], Any] = bytes_tokenizer,
        **changes: object,
    ) -> Path:
        from tests.parity.toys import save_toy

        folder, made = tmp_path / f"{family}-toy", tokenizer()
        save_toy(family, folder, vocab_size=made.get_vocab_size(), **changes)
        save_tokenizer(made, folder, around)
        return folder

    return make


@pytest.fixture
def kept(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Fits and saves a classifier; that its folder opens in a new process is tested elsewhere."""
    monkeypatch.setattr(folder_module, "verify_folder", lambda _folder, texts, *_: len(texts))
    save_gpt(random_gpt(CONFIG, 3), tmp_path / "checkpoint")

    def make(cost: float | None = None, **choices: object) -> Path:
        data = load_dataset(file)
        values = {
            "model": str(tmp_path / "checkpoint"),
            "position": "last_real",
            "epochs": 2,
            "lr": 1e-2,
        } | choices
        threshold = None if cost is None else threshold_for_cost(cost, None, data.label_names)
        fitted = fit_to_keep(Recipe(**values), data, device="cpu", threshold=threshold)
        write_folder(tmp_path / "kept", fitted, data, 0, cost)
        return tmp_path / "kept"

    return make
