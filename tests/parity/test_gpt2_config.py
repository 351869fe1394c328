"""Every key of `transformers.GPT2Config` with another value: computed as there, in both engines, or refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from gptcore.backbones.gpt2_config import ACTIVATIONS, read_config
from gptcore.backbones.weights import load_gpt, save_gpt
from gptcore.data.rows import pad
from gptcore.engine.engine import Engine
from gptcore.engine.layout import EngineName
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.training.build import build_backbone, build_classifier

TOY: dict[str, Any] = {"n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 12, "vocab_size": 31}
TOY |= {"bos_token_id": 0, "eos_token_id": 0, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
SEQUENCES = [[1, 2, 3, 4, 5, 6, 7, 8, 9], [30, 20, 10], [5, 5, 6, 6, 7]]
# Another value than the default for each key.
COMPUTED: dict[str, Any] = {
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 10,
    "vocab_size": 40,
    "n_inner": 20,
    "activation_function": "relu",
    "scale_attn_weights": False,
    "scale_attn_by_inverse_layer_idx": True,
    "reorder_and_upcast_attn": True,
    "layer_norm_epsilon": 0.1,
    "tie_word_embeddings": False,
}
INERT: dict[str, Any] = {
    **{"resid_pdrop": 0.5, "embd_pdrop": 0.5, "attn_pdrop": 0.5, "initializer_range": 1.0},
    **{"summary_type": "mean", "summary_use_proj": False, "summary_activation": "tanh"},
    **{"summary_proj_to_labels": False, "summary_first_dropout": 0.9, "use_cache": False},
    **{"bos_token_id": 3, "eos_token_id": 4, "pad_token_id": 5, "chunk_size_feed_forward": 2},
    **{"transformers_version": "1.0", "architectures": ["GPT2Model"], "dtype": "float16"},
    **{"output_hidden_states": True, "output_attentions": True, "return_dict": False},
    **{"id2label": {"0": "x", "1": "y", "2": "z"}, "label2id": {"x": 0, "y": 1, "z": 2}},
    **{"problem_type": "regression", "_name_or_path": "somewhere"},
}
REFUSED: dict[str, Any] = {
    **{"model_type": "gptj", "add_cross_attention": True, "is_encoder_decoder": True, "new_key": 1},
    **{"architectures": ["GPTJForCausalLM"], "pruned_heads": {"0": [1]}, "auto_map": {"AutoModel": "x.Y"}},
    **{"quantization_config": {"bits": 4}, "attention_head_type": "multiquery"},
    "activation_function": "quick_gelu",
}


def make_checkpoint(folder: Path, **changes: Any) -> GPT2LMHeadModel:
    """Their model with that config and large random weights, saved; the config as it is written down."""
    # Only their eager attention looks at reorder_and_upcast_attn.
    model = GPT2LMHeadModel(GPT2Config(**(TOY | changes), attn_implementation="eager")).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            mean = 1.0 if "ln_" in name and name.endswith("weight") else 0.1
            parameter.normal_(mean, 0.3, generator=generator)
    model.save_pretrained(folder)
    write_config(folder, **changes)
    return model


def write_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))


def last_states(model: GPT2LMHeadModel) -> torch.Tensor:
    """The hidden state of each sequence's last token (3, d_model)."""
    with torch.no_grad():
        return torch.stack([model.transformer(torch.tensor([ids]))[0][0, -1] for ids in SEQUENCES])


@torch.no_grad()
def read_by(folder: Path, engine: EngineName, weights: str = "pretrained") -> torch.Tensor:
    """The same by an engine, from padded rows."""
    recipe = Recipe(model=str(folder), weights=weights, position="last_real")
    gpt, _ = build_backbone(recipe, 0)
    classifier = build_classifier(gpt, 2, recipe, Engine(engine), 0).eval()
    return classifier.features(pad(SEQUENCES, 10, 0))


def test_no_key_of_theirs_is_left_out() -> None:
    keys = {key for key in GPT2Config().to_dict() if not key.startswith("_attn_")}
    assert keys <= COMPUTED.keys() | INERT.keys() | REFUSED.keys()


@pytest.mark.parametrize("key", sorted(COMPUTED | INERT))
def test_other_values_give_their_hidden_states(tmp_path: Path, key: str) -> None:
    theirs = make_checkpoint(tmp_path, **{key: (COMPUTED | INERT)[key]})
    expected = last_states(theirs)
    assert expected.std() > 0.1
    for engine in ("plain", "fast"):
        torch.testing.assert_close(read_by(tmp_path, engine), expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_is_theirs(tmp_path: Path, name: str) -> None:
    expected = last_states(make_checkpoint(tmp_path, activation_function=name))
    torch.testing.assert_close(read_by(tmp_path, "fast"), expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    "key", ["n_inner", "activation_function", "scale_attn_weights", "scale_attn_by_inverse_layer_idx"]
)
def test_the_values_that_matter_do_change_the_states(tmp_path: Path, key: str) -> None:
    usual = last_states(make_checkpoint(tmp_path / "usual"))
    other = last_states(make_checkpoint(tmp_path / "other", **{key: COMPUTED[key]}))
    assert (usual - other).abs().max() > 0.01


@pytest.mark.parametrize("key", sorted(COMPUTED))
def test_random_weights_follow_the_config_too(tmp_path: Path, key: str) -> None:
    """Our random model, saved, is the same model there: every key is also written down."""
    make_checkpoint(tmp_path / "theirs", **{key: COMPUTED[key]})
    recipe = Recipe(model=str(tmp_path / "theirs"), weights="random")
    gpt, _ = build_backbone(recipe, 0)
    for parameter in gpt.parameters():
        parameter.data.mul_(10)  # so that more than the embedding matters
    save_gpt(gpt, tmp_path / "ours")
    assert read_config(tmp_path / "ours") == read_config(tmp_path / "theirs")
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path / "ours").eval()
    tokens = torch.tensor(SEQUENCES[:1])
    with torch.no_grad():
        torch.testing.assert_close(gpt(tokens), theirs.transformer(tokens)[0], rtol=0, atol=2e-4)


@pytest.mark.parametrize("key", sorted(REFUSED))
@pytest.mark.parametrize("weights", ["pretrained", "random"])
def test_what_is_not_supported_is_refused_with_key_and_value(tmp_path: Path, key: str, weights: Any) -> None:
    make_checkpoint(tmp_path)
    write_config(tmp_path, **{key: REFUSED[key]})
    with pytest.raises(UserError) as caught:
        build_backbone(Recipe(model=str(tmp_path), weights=weights), 0)
    message = str(caught.value)
    assert f"config.json: {key} = {json.dumps(REFUSED[key])} is not" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("n_positions", None, "n_positions = null is not supported: use a whole number from 1"),
        ("n_embd", 16.0, r"n_embd = 16\.0 is not supported: use a whole number"),
        ("n_layer", "3", 'n_layer = "3" is not supported: use a whole number'),
        ("n_head", True, "n_head = true is not supported: use a whole number"),
        ("n_head", 3, "n_head=3 does not divide d_model=16"),
        ("vocab_size", 10**30, "vocab_size = 10+ is not supported: use a whole number"),
        ("n_inner", -1, "n_inner = -1 is not supported"),
        ("layer_norm_epsilon", "1e-5", 'layer_norm_epsilon = "1e-5" is not supported: use a number above 0'),
        ("layer_norm_epsilon", float("nan"), "layer_norm_epsilon = NaN is not supported"),
        ("scale_attn_weights", 1, "scale_attn_weights = 1 is not supported: use true or false"),
        ("activation_function", ["relu"], "activation_function = .* use one of .*gelu_new"),
        ("hidden_size", 8, "hidden_size = 8 is not supported: use the same as n_embd, which is 16"),
        ("architectures", "GPT2Model", "architectures = .* use a list of names"),
    ],
)
def test_other_types_and_sizes_are_one_line(tmp_path: Path, key: str, value: Any, remedy: str) -> None:
    make_checkpoint(tmp_path)
    write_config(tmp_path, **{key: value})
    with pytest.raises(UserError, match=remedy) as caught:
        load_gpt(tmp_path)
    assert "\n" not in str(caught.value)
    assert "http" not in str(caught.value)
