"""LoRA on the linear layers of `transformers`' models against PEFT's, and configs of every family."""

import copy

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model

from gptcore.backbones.families import FAMILIES
from gptcore.backbones.hf_config import parse_hf_config
from gptcore.backbones.hf_load import shapes_of
from gptcore.data.rows import Rows
from gptcore.engine.attention import RowAttention
from gptcore.methods.lora_layers import lora_layers, merge_lora
from gptcore.recipe import Recipe
from tests.parity.toys import CONTEXT, VOCAB, toy_backbone, toy_raw, toy_theirs

TOKENS = torch.randint(3, VOCAB, (2, 9), generator=torch.Generator().manual_seed(0))
LINEAR = sorted(set(FAMILIES) - {"gpt2"})  # whose layers transformers keeps in a class of its own


@pytest.mark.parametrize("family", LINEAR)
def test_states_and_gradients_are_pefts(family: str) -> None:
    ours = toy_backbone(family)
    theirs = toy_theirs(ours.info, copy.deepcopy(ours))
    recipe = Recipe(
        train="lora", lora_rank=2, lora_alpha=3, lora_targets=("all-linear",), lora_scaling="alpha/rank"
    )
    recipe.method.attach(ours, torch.Generator().manual_seed(0))
    layers = {name.removeprefix("model."): layer for name, layer in lora_layers(ours).items()}
    wrapped = inject_adapter_in_model(LoraConfig(r=2, lora_alpha=3, target_modules=list(layers)), theirs)
    peft_layers = {name: wrapped.get_submodule(name) for name in layers}
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, layer in layers.items():
            layer.lora_B.normal_(0, 0.3, generator=generator)  # it starts at 0, where it would not show
            peft_layers[name].lora_A.default.weight.copy_(layer.lora_A)
            peft_layers[name].lora_B.default.weight.copy_(layer.lora_B)
    attend = RowAttention(ours.info.abilities.causal)
    found = ours.run(Rows.whole(TOKENS), attend)
    expected = wrapped.eval()(TOKENS).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    before = toy_backbone(family).run(Rows.whole(TOKENS), attend)
    assert (found - before).abs().max() > 0.1
    weights = torch.randn(found.shape, generator=generator)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    for name, layer in layers.items():
        for part in "AB":
            gradient = getattr(peft_layers[name], f"lora_{part}").default.weight.grad
            torch.testing.assert_close(getattr(layer, f"lora_{part}").grad, gradient, rtol=1e-3, atol=1e-3)
    merge_lora(ours)
    assert not lora_layers(ours)
    torch.testing.assert_close(ours.run(Rows.whole(TOKENS), attend), found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_config_counts_nearly_all_parameters(family: str) -> None:
    # Wide enough that norms, biases and positions, which are left out, are few.
    wide = {"hidden_size": 64, "n_embd": 64, "dim": 64, "word_embed_proj_dim": 64, "vocab_size": 512}
    wide |= {"intermediate_size": 256, "n_inner": 256, "ffn_dim": 256, "hidden_dim": 256}
    shape = parse_hf_config(toy_raw(family, **wide), family)
    counted = sum(p.numel() for p in shapes_of(shape).parameters())
    assert shape.n_params == pytest.approx(counted, rel=0.16)


@pytest.mark.parametrize("family", sorted(name for name in FAMILIES if FAMILIES[name].abilities.trunk))
def test_fewer_blocks_of_a_family_are_a_model(family: str) -> None:
    shape = parse_hf_config(toy_raw(family), family).with_blocks(2)
    assert (shape.n_blocks, shape.context) == (2, CONTEXT)
    assert len(shapes_of(shape).blocks) == 2
