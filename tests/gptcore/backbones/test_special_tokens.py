"""Special tokens around a text, whatever padding and truncation the tokenizer's file asks for."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from gptcore.backbones.tokenizer_files import open_tokenizer

VOCAB = {"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3, "a": 4, "b": 5}


@pytest.mark.parametrize("length", [None, 2, 8])
def test_padding_and_truncation_of_the_file_do_not_hide_them(tmp_path: Path, length: int | None) -> None:
    tokenizer = Tokenizer(models.WordPiece(VOCAB, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    if length is not None:
        tokenizer.enable_padding(length=length, pad_token="[PAD]")
        tokenizer.enable_truncation(length)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"pad_token": "[PAD]"}))
    found = open_tokenizer(tmp_path, special=True)
    assert found.encode("a b a") == [1, 4, 5, 4, 2]
    assert found.encode("") == [1, 2]
    assert found.pad_id == 0
