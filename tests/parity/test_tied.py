"""Tied output layers: what goes wrong with them elsewhere, and that it does not here.

A language model's output layer often is its token embedding: one storage, two names. A classifier has no output layer,
so here nothing can be trained, saved or loaded under the second name.
"""

import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

from gptcore.backbones.hf_config import parse_hf_config
from gptcore.backbones.hf_load import load_hf
from gptcore.backbones.weights import load_gpt, save_gpt
from gptcore.data.rows import Rows
from gptcore.engine.attention import RowAttention
from gptcore.engine.engine import Engine
from gptcore.errors import UserError
from gptcore.methods.lora_layers import inject_lora, lora_layers, merge_lora
from gptcore.recipe import Recipe
from gptcore.training.build import build_classifier
from tests.parity.toys import VOCAB, save_toy, toy_backbone, toy_raw

# PEFT 0.21 asks transformers 5 by an attribute's old name.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
TOKENS = torch.tensor([[5, 9, 7, 12, 4]])
WRAPPERS = ["last_layer", "last_block", "all", "lora", "dora", "vera"]


def is_tied(model: nn.Module) -> bool:
    """Whether the output layer of a causal language model is the embedding: the same storage, not equal values."""
    return model.lm_head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


def causal_toy(folder: Path) -> nn.Module:
    """A llama with a tied output layer, written to a folder."""
    raw = toy_raw("llama", tie_word_embeddings=True)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(raw.pop("model_type"), **raw)).eval()
    model.save_pretrained(folder)
    return model


def heads(module: nn.Module, n_classes: int) -> list[nn.Linear]:
    found = (m for m in module.modules() if isinstance(m, nn.Linear))
    return [m for m in found if m.out_features == n_classes]


# What is trained


def test_a_causal_checkpoint_is_opened_as_its_inner_model(tmp_path) -> None:
    theirs = causal_toy(tmp_path)
    backbone = load_hf(
        tmp_path, parse_hf_config(json.loads((tmp_path / "config.json").read_text()), "config")
    )
    assert "lm_head" not in " ".join(name for name, _ in backbone.named_parameters())
    with torch.no_grad():
        expected = theirs.model(TOKENS).last_hidden_state
    torch.testing.assert_close(backbone.their_states(TOKENS), expected)


@pytest.mark.parametrize("train", WRAPPERS)
@pytest.mark.parametrize("family", ["gpt", "llama", "bert"])
def test_there_is_exactly_one_head_whatever_wraps_the_model(toy_gpt, family, train) -> None:
    backbone = toy_gpt(tie_output=False) if family == "gpt" else toy_backbone(family)
    recipe = Recipe(train=train, attention="native", lora_targets=("all-linear",))
    classifier = build_classifier(backbone, 5, recipe, Engine("fast"), 0)
    assert heads(classifier, 5) == [classifier.head]
    vocabulary = 31 if family == "gpt" else VOCAB
    assert not heads(classifier, vocabulary)


def test_elsewhere_a_head_that_is_set_on_a_wrapper_is_a_second_one_and_is_never_read() -> None:
    raw = toy_raw("llama")
    base = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(raw.pop("model_type"), **raw))
    base.score = nn.Linear(16, 5, bias=False)
    wrapped = get_peft_model(base.eval(), LoraConfig(target_modules=["q_proj"])).eval()
    with torch.no_grad():
        before = wrapped(TOKENS).logits
        wrapped.score = nn.Linear(16, 5, bias=False)  # instead of wrapped.base_model.model.score
        assert torch.equal(wrapped(TOKENS).logits, before)
    assert len(heads(wrapped, 5)) == 2


# Adapters


def test_elsewhere_an_adapter_on_a_tied_layer_changes_the_embedding_when_it_is_merged(tmp_path) -> None:
    model = causal_toy(tmp_path)
    with torch.no_grad():
        states = model.model(TOKENS).last_hidden_state
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wrapped = get_peft_model(model, LoraConfig(target_modules=["lm_head"], init_lora_weights=False))
            alone = wrapped.base_model.model.model(TOKENS).last_hidden_state
            merged = wrapped.merge_and_unload()
        torch.testing.assert_close(alone, states)  # the adapter is on the output alone, until it is merged
        assert (merged.model(TOKENS).last_hidden_state - states).abs().max() > 1e-3


@pytest.mark.parametrize("family", ["gpt", "llama"])
def test_here_all_linear_leaves_the_output_layer_out_and_merging_the_embedding_as_it_is(
    toy_gpt, family
) -> None:
    backbone = toy_gpt() if family == "gpt" else toy_backbone("llama")
    before = backbone.embedding.weight.clone()
    generator = torch.Generator().manual_seed(0)
    kept = {"rank": 2, "alpha": 2, "dropout": 0.0, "scaling": "alpha"}
    inject_lora(backbone.blocks, **kept, targets=["all-linear"], generator=generator)
    layers = lora_layers(backbone)
    assert layers
    assert all(layer.linear.out_features != len(before) for layer in layers.values())
    for layer in layers.values():
        nn.init.normal_(layer.lora_B)
    merge_lora(backbone)
    assert torch.equal(backbone.embedding.weight, before)


def test_elsewhere_an_adapter_of_another_class_loads_nothing_and_here_its_folder_is_refused(tmp_path) -> None:
    causal_toy(tmp_path / "base")
    inner = AutoModel.from_pretrained(tmp_path / "base")
    wrapped = get_peft_model(inner, LoraConfig(target_modules=["q_proj"])).eval()
    for name, p in wrapped.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(p)
    wrapped.save_pretrained(tmp_path / "adapter")
    causal = AutoModelForCausalLM.from_pretrained(tmp_path / "base").eval()
    with torch.no_grad():
        alone = causal.model(TOKENS).last_hidden_state
        assert (wrapped(TOKENS).last_hidden_state - alone).abs().max() > 1e-3
        with pytest.warns(UserWarning, match="missing adapter keys"):
            opened = PeftModel.from_pretrained(causal, tmp_path / "adapter").eval()
        torch.testing.assert_close(opened.base_model.model.model(TOKENS).last_hidden_state, alone)

    shutil.copytree(tmp_path / "adapter", tmp_path / "base", dirs_exist_ok=True)
    config = parse_hf_config(json.loads((tmp_path / "base" / "config.json").read_text()), "config")
    with pytest.raises(UserError, match="holds a PEFT adapter beside its model: load it with PEFT"):
        load_hf(tmp_path / "base", config)


# The tie through training, saving and loading


def test_the_tie_survives_training_saving_and_loading_of_a_gpt(toy_gpt, tmp_path) -> None:
    gpt = toy_gpt()
    optimiser = torch.optim.SGD(gpt.parameters(), lr=0.1)
    gpt.lm_logits(TOKENS).logsumexp(2).mean().backward()
    before = gpt.embedding.weight.clone()
    optimiser.step()
    assert not torch.equal(gpt.embedding.weight, before)
    save_gpt(gpt, tmp_path)
    assert not any("lm_head" in name for name in load_file(tmp_path / "model.safetensors"))
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert is_tied(theirs)
    with torch.no_grad():
        expected = theirs(TOKENS).logits
        torch.testing.assert_close(gpt.lm_logits(TOKENS), expected)
        torch.testing.assert_close(load_gpt(tmp_path).lm_logits(TOKENS), expected)


def test_the_tie_survives_training_saving_and_loading_of_another_decoder(tmp_path) -> None:
    backbone = save_toy("llama", tmp_path, tie_word_embeddings=True)
    classifier = build_classifier(backbone, 2, Recipe(train="all", attention="native"), Engine("plain"), 0)
    before = backbone.embedding.weight.detach().clone()
    optimiser = torch.optim.SGD(classifier.trained_parameters(), lr=0.1)
    backbone.run(Rows.whole(TOKENS), RowAttention(True)).square().mean().backward()
    optimiser.step()
    assert not torch.equal(backbone.embedding.weight, before)
    backbone.model.save_pretrained(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert is_tied(theirs)
    assert torch.equal(theirs.lm_head.weight, backbone.embedding.weight)


def test_equal_values_are_no_tie(tmp_path) -> None:
    model = causal_toy(tmp_path)
    assert is_tied(model)
    model.lm_head.weight = nn.Parameter(model.lm_head.weight.clone())
    assert torch.equal(model.lm_head.weight, model.get_input_embeddings().weight)
    assert not is_tied(model)
