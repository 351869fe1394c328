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
from gptcore.export.gguf import POOLING, probabilities
from tests.gptcore.export.conftest import bytes_tokenizer, sentencepiece_tokenizer, wordpiece_tokenizer

pytest.importorskip("gguf")
pytest.importorskip("transformers")

TEXTS = [
    "win a free prize",
    "see you at home",
    "now " * 40,
    "caf\u00e9 \U0001f600 don't",
    "a <|endoftext|> b </s> c",
]
DECODERS = ("llama", "mistral", "smollm3", "qwen2", "qwen3", "gemma2", "gemma3_text")
GELU = (None, "bert", "distilbert", "roberta")  # which llama.cpp approximates
# What ggml computes with: heads of 32 and more
WIDE = {"hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 96}
_HEADS = {"num_key_value_heads": 2, "head_dim": 32}
WIDER = {
    "llama": _HEADS,
    "qwen2": {"num_key_value_heads": 2},
    "qwen3": _HEADS,
    "mistral": _HEADS | {"sliding_window": None},
    "smollm3": {"num_key_value_heads": 2, "num_hidden_layers": 5},
    "gemma2": _HEADS | {"query_pre_attn_scalar": 32, "num_hidden_layers": 3},
    "gemma3_text": _HEADS | {"query_pre_attn_scalar": 32, "num_hidden_layers": 7},
    "distilbert": {"dim": 64, "n_heads": 2, "hidden_dim": 96},
}
TOKENIZERS = {
    "gemma2": sentencepiece_tokenizer,
    "gemma3_text": sentencepiece_tokenizer,
    "bert": wordpiece_tokenizer,
    "distilbert": wordpiece_tokenizer,
    "roberta": bytes_tokenizer,
}


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
    ("family", "around", "tokenizer", "position"),
    [
        ("llama", True, bytes_tokenizer, "last_real"),
        ("gemma3_text", True, sentencepiece_tokenizer, "mean_real"),
        ("bert", True, wordpiece_tokenizer, "first"),
        *(
            pytest.param(family, False, bytes_tokenizer, position, marks=pytest.mark.slow)
            for family in DECODERS
            for position in POOLING
        ),
        *(
            pytest.param(family, True, tokenizer, position, marks=pytest.mark.slow)
            for family, tokenizer in (
                ("bert", wordpiece_tokenizer),
                ("distilbert", wordpiece_tokenizer),
                ("roberta", bytes_tokenizer),
            )
            for position in POOLING
        ),
    ],
)
def test_other_architectures(kept, checkpoint, file, tmp_path, family, around, tokenizer, position) -> None:
    changes = {"sliding_window": None} if family == "mistral" else {}
    model = str(checkpoint(family, around, tokenizer, **changes))
    choices = {"position": position, "attend_padding": False}
    check(kept(model=model, attention="native", train="last_block", **choices), file, tmp_path / "gguf")
    metadata, _ = open_gguf(tmp_path / "gguf" / "model.gguf")
    kind = metadata.get("general.architecture", str)
    assert metadata.get(f"{kind}.pooling_type", int) == {"first": 2, "last_real": 3, "mean_real": 1}[position]


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


def test_our_own_reader_makes_the_same_gemma_again(kept, checkpoint, file, tmp_path) -> None:
    source = checkpoint("gemma3_text", True, sentencepiece_tokenizer)
    folder = kept(model=str(source), attention="native", train="last_layer")
    export(folder, load_dataset(file), "gguf", tmp_path / "gguf")
    again = convert_gguf(tmp_path / "gguf" / "model.gguf")
    for name, values in load_file(source / "model.safetensors").items():
        # A norm's weight went through + 1 - 1.
        np.testing.assert_allclose(again.tensors[f"model.{name}"].read(), values, atol=2e-7, rtol=0)
    then, now = (
        json.loads(text) for text in ((source / "tokenizer.json").read_text(), again.texts["tokenizer.json"])
    )
    assert [now[key] for key in ("model", "normalizer")] == [then[key] for key in ("model", "normalizer")]


def test_a_bert_has_the_names_and_values_of_llama_cpp(kept, checkpoint, file, tmp_path) -> None:
    source = checkpoint("bert", True, wordpiece_tokenizer)
    choices = {"position": "mean_real", "attend_padding": False}
    folder = kept(model=str(source), attention="native", train="last_layer", **choices)
    export(folder, load_dataset(file), "gguf", tmp_path / "gguf")
    metadata, tensors = open_gguf(tmp_path / "gguf" / "model.gguf")
    theirs = {
        "embeddings.word_embeddings": "token_embd",
        "embeddings.position_embeddings": "position_embd",
        "embeddings.token_type_embeddings": "token_types",
        "embeddings.LayerNorm": "token_embd_norm",
        "encoder.layer.1.attention.self.query": "blk.1.attn_q",
        "encoder.layer.1.attention.self.key": "blk.1.attn_k",
        "encoder.layer.1.attention.self.value": "blk.1.attn_v",
        "encoder.layer.1.attention.output.dense": "blk.1.attn_output",
        "encoder.layer.1.attention.output.LayerNorm": "blk.1.attn_output_norm",
        "encoder.layer.1.intermediate.dense": "blk.1.ffn_up",
        "encoder.layer.1.output.dense": "blk.1.ffn_down",
        "encoder.layer.1.output.LayerNorm": "blk.1.layer_output_norm",
    }
    weights = load_file(source / "model.safetensors")
    for here, there in theirs.items():
        for kind in ("weight", "bias") if f"{here}.bias" in weights else ("weight",):
            np.testing.assert_array_equal(tensors[f"{there}.{kind}"].read(), weights[f"{here}.{kind}"])
    assert len(tensors) == 5 + 3 * 16
    assert metadata.get("bert.attention.causal", bool) is False
    tokens = metadata.strings("tokenizer.ggml.tokens")
    assert tokens[:5] == ["<s>", "<pad>", "</s>", "[UNK]", "\u2581a"]
    assert tokens[-2:] == ["\u2581win", "no"]


@pytest.mark.parametrize(
    ("choices", "family", "reason"),
    [
        ({"model": "tfidf"}, None, "it has no network"),
        (
            {"position": "mean"},
            None,
            "position = 'mean' of rows .* use attend_padding = false with one of 'first'",
        ),
        ({"attention": "bidirectional", "attend_padding": False}, None, "attention = 'bidirectional'"),
        (
            {},
            "electra",
            "electra is not written as GGUF, only gpt2, llama, .*bert, roberta, distilbert: use --to onnx",
        ),
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
@pytest.mark.parametrize("position", list(POOLING))
@pytest.mark.parametrize("family", [None, *DECODERS, "bert", "distilbert", "roberta"])
def test_llama_cpp_gives_the_same_states_from_the_texts(
    kept, checkpoint, file, tmp_path, family, position
) -> None:
    xlc = pytest.importorskip("xllamacpp", reason="pip install xllamacpp")
    choices = {"model": "nano"}
    if family is not None:
        tokenizer = TOKENIZERS.get(family, bytes_tokenizer)
        source = checkpoint(family, family in TOKENIZERS, tokenizer, **WIDE | WIDER.get(family, {}))
        choices = {"model": str(source), "attention": "native"}
    folder, out = (
        kept(train="last_block", position=position, attend_padding=False, **choices),
        tmp_path / "gguf",
    )
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
    server = xlc.Server(params)
    texts = [*load_dataset(file).test.texts[:6], "caf\u00e9 don't 123"]
    head = load_file(out / "head.safetensors")
    for text in texts:
        found = server.handle_embeddings({"input": [text], "model": "x", "embd_normalize": -1})
        state = np.array(found["data"][0]["embedding"])
        logits = head["weight"] @ state + head["bias"]
        powers = np.exp(logits - logits.max())
        expected = classifier.predict_proba([text])[0]
        np.testing.assert_allclose(powers / powers.sum(), expected, atol=3e-3 if family in GELU else 1e-4)
