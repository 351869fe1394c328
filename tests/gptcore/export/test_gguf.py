"""What is exported is read by `gguf`, by `transformers` and by llama.cpp, with the same answers."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from gptcore import TextClassifier, load_dataset
from gptcore.backbones.convert.gguf_file import open_gguf
from gptcore.backbones.convert.gguf_model import convert_gguf
from gptcore.errors import UserError
from gptcore.export.export import export
from gptcore.export.gguf import probabilities

pytest.importorskip("gguf")
pytest.importorskip("transformers")

TEXTS = [
    "win a free prize",
    "see you at home",
    "now " * 40,
    "caf\u00e9 \U0001f600 don't",
    "a <|endoftext|> b </s> c",
]


def check(folder: Path, file: Path, out: Path) -> TextClassifier:
    """Export, and compare the answers to texts that the export was not compared on."""
    assert export(folder, load_dataset(file), "gguf", out) == 24
    classifier = TextClassifier.load(folder)
    np.testing.assert_allclose(probabilities(out, TEXTS), classifier.predict_proba(TEXTS), atol=1e-5)
    return classifier


@pytest.mark.parametrize(
    "choices",
    [
        {"train": "lora", "lora_rank": 2, "cost": 5.0},
        pytest.param({"train": "features"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_gpt_gives_the_same_answers(kept, file, tmp_path, choices, capfd) -> None:
    classifier = check(kept(**choices), file, tmp_path / "gguf")
    assert "it/s" not in capfd.readouterr().err
    about = json.loads((tmp_path / "gguf" / "classifier.json").read_text())
    assert about["labels"] == list(classifier.labels)
    metadata, tensors = open_gguf(tmp_path / "gguf" / "model.gguf")
    assert metadata.get("general.architecture", str) == "gpt2"
    assert metadata.n_tokens == tensors["token_embd.weight"].shape[0]
    assert "output.weight" not in tensors  # the classifier has no output layer over the vocabulary


@pytest.mark.parametrize(
    ("family", "around"),
    [("llama", True), *(pytest.param(f, False, marks=pytest.mark.slow) for f in ("llama", "qwen2", "qwen3"))],
)
def test_other_decoders(kept, checkpoint, file, tmp_path, family, around) -> None:
    model = str(checkpoint(family, around))
    check(kept(model=model, attention="native", train="last_block"), file, tmp_path / "gguf")


def test_our_own_reader_finds_what_was_written(kept, checkpoint, file, tmp_path) -> None:
    from tokenizers import Tokenizer

    model = str(checkpoint("llama", around=True))
    folder = kept(model=model, attention="native", train="dora")
    export(folder, load_dataset(file), "gguf", tmp_path / "gguf")
    network = TextClassifier.load(folder).predictor.network
    network.adapter.merge()
    state = network.backbone.model.state_dict()
    path = tmp_path / "gguf" / "model.gguf"
    metadata, tensors = open_gguf(path)
    assert tensors.keys() == {
        *(f"blk.{i}.{part}.weight" for i in range(3) for part in ("attn_norm", "ffn_norm")),
        *(f"blk.{i}.attn_{part}.weight" for i in range(3) for part in ("q", "k", "v", "output")),
        *(f"blk.{i}.ffn_{part}.weight" for i in range(3) for part in ("gate", "up", "down")),
        *("token_embd.weight", "output_norm.weight"),
    }
    del metadata
    with pytest.raises(UserError, match="tokenizer of kind gpt2/gpt-2 is not supported"):
        convert_gguf(path)  # which knows SmolLM's alone
    assert Tokenizer.from_file(str(tmp_path / "gguf" / "tokenizer.json")).encode("ab").ids[0] == 0
    np.testing.assert_array_equal(tensors["blk.1.ffn_up.weight"].read(), state["layers.1.mlp.up_proj.weight"])


@pytest.mark.parametrize(
    ("choices", "family", "reason"),
    [
        ({"model": "tfidf"}, None, "it has no network"),
        ({"position": "mean_real"}, None, "position = 'mean_real'"),
        ({"attention": "bidirectional", "attend_padding": False}, None, "bidirectional"),
        ({}, "bert", "bert is not written as GGUF, only gpt2, llama, qwen2, qwen3: use --to onnx"),
        ({}, "gemma3_text", "gemma3_text is not written as GGUF"),
    ],
    ids=str,
)
def test_what_cannot_be_written_is_refused_with_the_reason(
    kept, checkpoint, file, tmp_path, choices, family, reason
) -> None:
    if family is not None:
        choices = {"model": str(checkpoint(family)), "attention": "native", "train": "last_layer"}
    with pytest.raises(UserError, match=reason):
        export(kept(**choices), load_dataset(file), "gguf", tmp_path / "gguf")
    assert not [path for path in tmp_path.iterdir() if "gguf" in path.name]


@pytest.mark.slow
@pytest.mark.parametrize("family", [None, "llama", "qwen2", "qwen3"])
def test_llama_cpp_gives_the_same_states_from_the_texts(kept, checkpoint, file, tmp_path, family) -> None:
    xlc = pytest.importorskip("xllamacpp", reason="pip install xllamacpp")
    choices = {"model": "nano"}
    if family is not None:
        wide = {"hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 96}
        wide |= (
            {"num_key_value_heads": 2, "head_dim": 32} if family != "qwen2" else {"num_key_value_heads": 2}
        )
        choices = {"model": str(checkpoint(family, **wide)), "attention": "native"}
    folder, out = kept(train="last_block", **choices), tmp_path / "gguf"
    classifier = check(folder, file, out)
    params = xlc.CommonParams()
    params.model.path = str(out / "model.gguf")
    params.embedding = True
    params.n_ctx = params.n_batch = params.n_ubatch = 64
    params.n_parallel = 1
    params.embd_normalize = -1
    params.warmup = False
    params.cache_type_k = params.cache_type_v = xlc.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xlc.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.pooling_type = xlc.llama_pooling_type.LLAMA_POOLING_TYPE_LAST
    server = xlc.Server(params)
    texts = [*load_dataset(file).test.texts[:6], "caf\u00e9 don't 123"]
    head = load_file(out / "head.safetensors")
    for text in texts:
        found = server.handle_embeddings({"input": [text], "model": "x", "embd_normalize": -1})
        state = np.array(found["data"][0]["embedding"])
        logits = head["weight"] @ state + head["bias"]
        powers = np.exp(logits - logits.max())
        expected = classifier.predict_proba([text])[0]
        np.testing.assert_allclose(powers / powers.sum(), expected, atol=1e-4)
