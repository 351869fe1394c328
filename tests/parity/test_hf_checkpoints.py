"""Folders as `transformers` writes them: loaded, tokenised, fine-tuned, saved and opened again."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from gptcore.backbones import hf_load
from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer
from gptcore.backbones.checkpoints import known_config
from gptcore.backbones.hf_config import HFConfig
from gptcore.backbones.layer_names import BlockLayers, known_layers
from gptcore.classifier import TextClassifier
from gptcore.data.datasets import Dataset, Split
from gptcore.data.rows import Rows
from gptcore.data.tokenizer import cut_tokens, without_specials
from gptcore.engine.attention import RowAttention
from gptcore.engine.engine import Engine
from gptcore.errors import UserError
from gptcore.methods.base import Method
from gptcore.methods.existing import BitFit, LnTuning
from gptcore.methods.lora import Lora
from gptcore.methods.lora_layers import lora_layers
from gptcore.methods.wrapped import Boft, Dora, Ia3, Oft
from gptcore.model_defaults import model_defaults
from gptcore.recipe import make_recipe
from gptcore.training.build import build_backbone
from gptcore.training.fit import fit
from tests.parity.toys import CONTEXT, save_toy, toy_raw

WORDS = ["win", "prize", "see", "you", "now", *map(str, range(40))]
TOKENS = torch.tensor([[5, 9, 7, 12, 4]])


def save_tokenizer(folder: Path, around: bool) -> None:
    """Words as tokens; `around`: with a special token on either side, as of an encoder."""
    vocab = {word: i for i, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if around:
        template = [("<s>", 0), ("</s>", 2)]
        tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=template)
    tokenizer.enable_padding(length=9)  # as some files ask for
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "</s>", "eos_token": "</s>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


@pytest.fixture(params=["llama", "bert"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = tmp_path / request.param
    save_toy(request.param, found)
    save_tokenizer(found, around=request.param == "bert")
    return found


def make_data() -> Dataset:
    splits = [
        Split(
            tuple(f"{'win prize' if i % 2 else 'see you'} now {i + first}" for i in range(n)),
            np.arange(n) % 2,
        )
        for first, n in ((0, 12), (12, 4), (20, 6))
    ]
    return Dataset("toy", *splits, ("ham", "spam"), "", "", split_seed=0, duplicates=0)


def recipe_of(folder: Path, **changes: Any) -> Any:
    asked = {"epochs": 2, "lr": 1e-3, "batch_size": 4, "lora_rank": 2, **changes}
    return make_recipe(model_defaults(str(folder)) | {"model": str(folder)} | asked)


def load(folder: Path) -> hf_load.HFBackbone:
    config = known_config(folder)
    assert isinstance(config, HFConfig)
    return hf_load.load_hf(folder, config)


def states(backbone: hf_load.HFBackbone) -> torch.Tensor:
    with torch.no_grad():
        return backbone.run(Rows.whole(TOKENS), RowAttention(backbone.info.abilities.causal))


@pytest.mark.parametrize("train", ["last_layer", "last_block", "all", "lora", "features"])
def test_a_saved_classifier_says_the_same(folder: Path, tmp_path: Path, train: str) -> None:
    result = fit(recipe_of(folder, train=train), make_data(), 0, Engine(), "cpu")
    assert set(result.rewrites.values()) == {"on"}
    texts = ["win prize now", "see you 3", "unheard of", ""]
    result.classifier.save(tmp_path / "saved")
    again = TextClassifier.load(tmp_path / "saved")
    assert again.predict(texts) == result.classifier.predict(texts)
    np.testing.assert_array_equal(again.predict_proba(texts), result.classifier.predict_proba(texts))


def test_a_pad_that_only_the_config_names_is_kept(folder: Path, tmp_path: Path) -> None:
    (folder / "tokenizer_config.json").unlink()
    classifier = fit(recipe_of(folder, train="all"), make_data(), 0, Engine(), "cpu").classifier
    classifier.save(tmp_path / "saved")
    shutil.rmtree(folder)
    texts = ["win prize now", "see you 3"]
    again = TextClassifier.load(tmp_path / "saved")
    np.testing.assert_array_equal(again.predict_proba(texts), classifier.predict_proba(texts))


def test_a_classifier_of_other_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    fit(recipe_of(folder), make_data(), 0, Engine(), "cpu").classifier.save(tmp_path / "saved")
    save_toy(folder.name, folder, seed=1)
    with pytest.raises(UserError, match="are not those that the classifier was trained on"):
        TextClassifier.load(tmp_path / "saved")


def test_verification_passes(folder: Path) -> None:
    result = fit(recipe_of(folder, train="last_block"), make_data(), 0, Engine(), "cpu", verify=True)
    assert result.agreement is not None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_and_shards_are_loaded_as_float32(folder: Path, dtype: torch.dtype) -> None:
    model = load(folder).model.to(dtype)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="3KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    loaded = load(folder)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    torch.testing.assert_close(states(loaded), states(load(folder)))
    expected = dict(model.named_parameters())
    assert all(torch.equal(p, expected[name].float()) for name, p in loaded.model.named_parameters())


@pytest.mark.parametrize("kind", [AutoModelForSequenceClassification, AutoModelForCausalLM])
def test_a_head_in_the_file_is_left_out_and_said(tmp_path: Path, kind: Any) -> None:
    backbone = save_toy("llama", tmp_path / "base")
    model = kind.from_pretrained(tmp_path / "base")
    if kind is AutoModelForCausalLM:
        torch.nn.init.normal_(model.lm_head.weight)
    model.save_pretrained(tmp_path / "headed")
    loaded = load(tmp_path / "headed")
    torch.testing.assert_close(states(loaded), states(backbone))
    head = "score" if kind is AutoModelForSequenceClassification else "lm_head"
    assert loaded.notes == (f"left out of the checkpoint: {head}",)


def test_ids_are_those_of_transformers(folder: Path) -> None:
    ours, theirs = checkpoint_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    for text in ("win prize now", "see you 3 unheard", ""):
        ids = ours.encode_batch([text])[0]
        assert ids == theirs(text)["input_ids"]
        plain = theirs(text, add_special_tokens=False)["input_ids"]
        assert list(without_specials(ours, ids)) == plain
    long = ours.encode_batch(["1 2 3 4 5 6 7 8"])[0]
    assert (
        list(cut_tokens(ours, long, 5))
        == theirs("1 2 3 4 5 6 7 8", truncation=True, max_length=5)["input_ids"]
    )


def test_config_alone_tells_shape_and_layers(folder: Path) -> None:
    config = known_config(folder)
    assert isinstance(config, HFConfig)
    assert (config.n_blocks, config.width, config.context, config.vocab_size) == (3, 16, CONTEXT, 64)
    blocks = load(folder).blocks
    linear = {name: m.in_features for name, m in blocks.named_modules() if isinstance(m, torch.nn.Linear)}
    biases = {name for name, _ in blocks.named_parameters() if name.endswith(".bias")}
    assert known_layers(str(folder), config) == BlockLayers(linear, frozenset(biases))


@pytest.mark.parametrize(
    ("method", "cannot"),
    [
        *((LnTuning(), ()), (BitFit(), ("llama",)), (BitFit(top=1), ("llama",))),
        *((Oft(block_size=8), ()), (Oft(block_size=5), ("llama", "bert"))),
        *((Boft(factors=1), ()), (Boft(block_size=5, factors=1), ("llama", "bert"))),
        *((Ia3(feedforward=("mlp.down_proj",)), ("bert",)), (Dora(targets=("q_proj",)), ("bert",))),
        *((Lora(targets=("all-linear",), bias=bias), ("llama",)) for bias in ("lora_only", "all")),
        (Lora(targets=("all-linear",)), ()),
    ],
    ids=str,
)
def test_headers_tell_what_a_method_cannot_be_attached_to(
    folder: Path, method: Method, cannot: tuple[str, ...]
) -> None:
    config = known_config(folder)
    assert config is not None
    layers = known_layers(str(folder), config)
    assert layers is not None
    obstacle = method.obstacle(layers)
    if folder.name not in cannot:
        assert obstacle is None
        method.attach(load(folder), torch.Generator())
    else:
        assert obstacle is not None
        with pytest.raises(UserError, match=re.escape(obstacle[:24])):
            method.attach(load(folder), torch.Generator())


def test_lora_goes_on_every_linear_layer_of_the_blocks(folder: Path) -> None:
    result = fit(recipe_of(folder, train="lora", epochs=1), make_data(), 0, Engine(), "cpu")
    backbone = result.classifier.predictor.network.backbone  # type: ignore[attr-defined]
    assert len(lora_layers(backbone)) == 3 * (7 if folder.name == "llama" else 6)


def test_a_models_own_modules_never_drop_out(folder: Path) -> None:
    backbone = load(folder)
    recipe = recipe_of(folder, train="lora", lora_dropout=0.5)
    recipe.method.attach(backbone, torch.Generator().manual_seed(0))
    backbone.train()
    training = {name for name, module in backbone.model.named_modules() if module.training}
    assert training
    assert all(name in lora_layers_of(backbone) or name.endswith(".dropout") for name in training)


def lora_layers_of(backbone: hf_load.HFBackbone) -> set[str]:
    return {name.removeprefix("model.") for name in lora_layers(backbone)}


# --- what is refused ------------------------------------------------------------------------------------


def change_config(folder: Path, **changes: Any) -> None:
    raw = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(raw | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "mamba"}, 'model_type = "mamba" is not supported'),
        ({"quantization_config": {"bits": 4}}, "quantization_config = .* is not supported"),
        ({"is_decoder": True}, "is_decoder = true is not supported"),
        ({"hidden_size": "16"}, 'hidden_size = "16": use a whole number'),
        ({"vocab_size": None}, "no 'vocab_size'"),
    ],
)
def test_configs_that_are_not_understood(folder: Path, changes: dict[str, Any], said: str) -> None:
    change_config(folder, **changes)
    with pytest.raises(UserError, match=said):
        known_config(folder)


def test_weights_that_do_not_fit(folder: Path) -> None:
    change_config(folder, intermediate_size=40)
    with pytest.raises(UserError, match=r"cannot be loaded|by config.json"):
        load(folder)


def test_weights_that_are_missing_or_of_another_model(folder: Path) -> None:
    change_config(folder, num_hidden_layers=4)
    with pytest.raises(UserError, match="parameters of the model are missing"):
        load(folder)
    change_config(folder, num_hidden_layers=2)
    with pytest.raises(UserError, match="is not a parameter of this architecture"):
        load(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"has no model.safetensors"):
        load(folder)


def test_tables_of_older_files_are_computed_and_blocks_of_a_decoder_are_no_head(tmp_path: Path) -> None:
    for family, table in (
        ("bert", "embeddings.position_ids"),
        ("llama", "layers.0.self_attn.rotary_emb.inv_freq"),
    ):
        backbone = save_toy(family, tmp_path / family)
        path = tmp_path / family / "model.safetensors"
        save_file(load_file(path) | {table: torch.arange(4.0)}, path, metadata={"format": "pt"})
        torch.testing.assert_close(states(load(tmp_path / family)), states(backbone))
        assert load(tmp_path / family).notes == ()
    save_toy("opt", tmp_path / "opt")
    change_config(tmp_path / "opt", num_hidden_layers=2)
    with pytest.raises(UserError, match="is not a parameter of this architecture"):
        load(tmp_path / "opt")


def test_values_that_are_not_finite(folder: Path) -> None:
    backbone = load(folder)
    with torch.no_grad():
        backbone.embedding.weight[3, 0] = float("nan")
    backbone.model.save_pretrained(folder)
    with pytest.raises(UserError, match="holds values that are not finite"):
        load(folder)


def test_a_folder_without_a_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer.json"):
        checkpoint_tokenizer(folder)


def test_the_extra_is_named_where_it_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert known_config(folder) is not None  # which needs nothing of it
    monkeypatch.setattr(hf_load.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match=r"transformers, which is not installed: pip install -e .\[hf\]"):
        build_backbone(recipe_of(folder), 0)


def test_positions_of_roberta_that_are_not_known() -> None:
    from gptcore.backbones.hf_config import parse_hf_config

    with pytest.raises(UserError, match="pad_token_id = 3 is not supported"):
        parse_hf_config(toy_raw("roberta") | {"pad_token_id": 3}, "config.json")


def test_gpt2s_keep_their_defaults(folder: Path) -> None:
    assert model_defaults("gpt2") == model_defaults("mini") == model_defaults("tfidf") == {}
    assert model_defaults(str(folder)) == {"attention": "native", "lora_targets": ("all-linear",)}
    assert model_defaults("smollm2-135m")["attention"] == "native"
