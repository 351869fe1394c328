"""Folders of models that cannot be used: one line each, with the file or the tensor, before anything runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer
from gptcore.backbones.checkpoints import check_checkpoint
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.training.build import build_backbone

pytest.importorskip("transformers")
WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "b"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A toy BERT with its tokenizer."""
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12}
    BertModel(
        BertConfig(vocab_size=len(WORDS), max_position_embeddings=16, **sizes)  # type: ignore[arg-type]
    ).save_pretrained(tmp_path)
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"pad_token": "[PAD]"}))
    return tmp_path


def opened(folder: Path) -> None:
    """What `plan` looks at, and then the model."""
    checkpoint_tokenizer(folder)
    check_checkpoint(folder)
    build_backbone(Recipe(model=str(folder)), 0)


def with_config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def without(*names: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def cut_off(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def test_the_folder_itself_opens(folder: Path) -> None:
    opened(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("config.json"), r"has no config\.json"),
        (without("model.safetensors"), r"has no model\.safetensors"),
        (without("tokenizer.json"), r"neither tokenizer\.json nor vocab\.json"),
        (cut_off, "cannot be|cut off"),
        (with_config(intermediate_size=16), r"intermediate\.dense\.\w+ is \(12.*\) in the file, and \(16"),
        (with_config(num_hidden_layers=2), r"has no encoder\.layer\.1\..* \(16 parameters"),
        (with_config(model_type="t5"), "model_type = .t5. is not supported"),
        (with_config(vocab_size=5), "the model has no embedding for the largest"),
        (
            with_config(max_position_embeddings=2),
            "2 special tokens go around each text: the model reads no text",
        ),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, change: Callable[[Path], None], message: str) -> None:
    change(folder)
    with pytest.raises(UserError, match=message) as caught:
        opened(folder)
    assert "\n" not in str(caught.value)
