"""ONNX of a BERT to a folder that `transformers` opens, with the same states; anything else is refused."""

import numpy as np
import pytest
import torch

from gptcore.backbones.convert.onnx_bert import convert_onnx
from gptcore.backbones.convert.tensors import write_folder
from gptcore.errors import UserError
from tests.gptcore.backbones.convert import toys

pytest.importorskip("onnx")
pytest.importorskip("transformers")


def test_a_converted_bert_is_the_one_that_was_exported(tmp_path):
    from transformers import AutoModel

    model = toys.write_onnx(tmp_path / "toy.onnx")
    (tmp_path / "folder").mkdir()
    write_folder(convert_onnx(tmp_path / "toy.onnx", toys.BERT), tmp_path / "folder")
    found = AutoModel.from_pretrained(tmp_path / "folder", add_pooling_layer=False).eval()
    assert all(torch.equal(found.state_dict()[name], tensor) for name, tensor in model.state_dict().items())
    ids = torch.arange(10)[None]
    with torch.no_grad():
        assert torch.equal(found(ids).last_hidden_state, model(ids).last_hidden_state)


@pytest.mark.parametrize(
    ("config", "extra", "message"),
    [
        ({"num_hidden_layers": 3}, {}, r"has no encoder\.layer\.2.* \(16 tensors of the model are missing\)"),
        ({"num_hidden_layers": 1}, {}, r"encoder\.layer\.1.* is not a tensor of this BERT"),
        ({"vocab_size": 31}, {}, r"word_embeddings\.weight is \(30, 16\), and \(31, 16\) by its config"),
        (
            {},
            {"onnx::MatMul_99": np.ones((2, 2), np.float32)},
            "what onnx::MatMul_99 is for could not be found",
        ),
        ({}, {"other.embeddings.word_embeddings.weight": np.ones(2, np.float32)}, "has 2 tensors called"),
        ({}, {"model.0.auto_model.x": np.ones(2, np.float64)}, "x is not kept in the file as float32"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, config, extra, message):
    toys.write_onnx(tmp_path / "toy.onnx", extra)
    with pytest.raises(UserError, match=message):
        convert_onnx(tmp_path / "toy.onnx", toys.BERT | config)


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"\xff\xff not ONNX")
    with pytest.raises(UserError, match=r"bad\.onnx"):
        convert_onnx(tmp_path / "bad.onnx", toys.BERT)
