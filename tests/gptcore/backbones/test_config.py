"""The registry: every entry can be built and is as large as it says."""

import pytest
import torch
from pydantic import ValidationError

from gptcore.backbones.config import FAMILIES, REGISTRY, ModelConfig, model_entry
from gptcore.backbones.gpt import GPT
from gptcore.errors import UserError


@pytest.mark.parametrize("name", REGISTRY)
def test_every_entry_builds_and_has_the_parameters_it_says(name):
    config = model_entry(name).config
    with torch.device("meta"):
        gpt = GPT(config)
    assert sum(p.numel() for p in gpt.parameters()) == config.n_params
    assert sum(p.numel() for p in gpt.h[0].parameters()) == config.n_block_params
    assert config.d_head * config.n_head == config.d_model


def test_gpt2_sizes_are_the_published_ones():
    sizes = {name: REGISTRY[name].config.n_params for name in FAMILIES["gpt2"]}
    assert sizes == {
        "gpt2": 124_439_808,
        "gpt2-medium": 354_823_168,
        "gpt2-large": 774_030_080,
        "gpt2-xl": 1_557_611_200,
    }


def test_families_grow_and_name_known_models():
    for names in FAMILIES.values():
        sizes = [REGISTRY[name].config.n_params for name in names]
        assert sizes == sorted(sizes)
    assert {name for names in FAMILIES.values() for name in names} == set(REGISTRY)


def test_an_untied_output_counts(toy_config):
    tied, untied = toy_config(), toy_config(tie_output=False)
    assert untied.n_params - tied.n_params == tied.vocab_size * tied.d_model


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match=r"'gpt3' is not known: use one of nano, micro, .*gpt2-xl"):
        model_entry("gpt3")


def test_bad_shapes_are_refused():
    with pytest.raises(ValidationError, match="n_head=3 does not divide d_model=16"):
        ModelConfig(d_model=16, n_layer=1, n_head=3)
    with pytest.raises(ValidationError, match="n_layer"):
        ModelConfig(d_model=16, n_layer=0, n_head=2)
    with pytest.raises(ValidationError, match="depth"):
        ModelConfig.model_validate({"d_model": 16, "n_layer": 1, "n_head": 2, "depth": 1})
