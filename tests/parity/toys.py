"""Toy models of `transformers`, one of every family, whose every parameter is well away from zero."""

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PreTrainedModel

from gptcore.backbones.hf_config import HFConfig, parse_hf_config
from gptcore.backbones.hf_load import random_hf
from gptcore.backbones.huggingface import HFBackbone

VOCAB, CONTEXT, WINDOW = 64, 48, 5  # tokens, positions, and what a window spans where there is one
SHAPE: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "vocab_size": VOCAB,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
}
_GROUPED = {"num_key_value_heads": 2}
_GEMMA = _GROUPED | {"head_dim": 8, "sliding_window": WINDOW, "query_pre_attn_scalar": 8}
_NAMED = {"hidden_size": 16, "n_layer": 3, "n_head": 4}
# What each family's config has beside SHAPE, or calls otherwise.
FAMILY_SHAPES: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 16, "n_layer": 3, "n_head": 4, "n_positions": CONTEXT, "n_inner": 24},
    "gpt_neox": {},
    "llama": _GROUPED,
    "qwen2": _GROUPED,
    "qwen3": _GROUPED | {"head_dim": 4},
    "mistral": _GROUPED | {"sliding_window": WINDOW},
    "smollm3": _GROUPED,
    "gemma": _GROUPED | {"head_dim": 8},
    "gemma2": _GEMMA,
    "gemma3_text": _GEMMA,
    "phi3": _GROUPED | {"sliding_window": WINDOW},
    "opt": {"ffn_dim": 24, "word_embed_proj_dim": 16},
    "bloom": _NAMED,
    "gpt_neo": {
        "num_layers": 3,
        "num_heads": 4,
        "attention_types": [[["global", "local", "global"], 1]],
        "window_size": WINDOW,
    },
    "bert": {},
    "roberta": {"max_position_embeddings": CONTEXT + 2},
    "xlm-roberta": {"max_position_embeddings": CONTEXT + 2},
    "electra": {"embedding_size": 8},
    "distilbert": {"dim": 16, "n_layers": 3, "n_heads": 4, "hidden_dim": 24},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": "p2c|c2p",
        "position_biased_input": False,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_buckets": 8,
        "max_relative_positions": -1,
    },
    "modernbert": {
        "local_attention": 2 * WINDOW,
        "global_attn_every_n_layers": 2,
        "cls_token_id": 0,
        "sep_token_id": 2,
    },
    "modernbert-decoder": {
        "local_attention": 2 * WINDOW,
        "global_attn_every_n_layers": 2,
        "cls_token_id": 0,
        "sep_token_id": 2,
    },
    "albert": {"embedding_size": 8},
}


def toy_raw(family: str, **changes: Any) -> dict[str, Any]:
    """The content of a toy's config.json."""
    config = AutoConfig.for_model(family, **(SHAPE | FAMILY_SHAPES[family] | changes))
    raw: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    return raw


def shake(model: torch.nn.Module, seed: int = 0) -> None:
    """Set every parameter at random, matrices so that attention is far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.empty_like(parameter).normal_(generator=generator)
            if parameter.dim() == 1:
                parameter.add_(0.1 * noise)
            else:
                parameter.copy_(noise * (1.0 if "emb" in name else 0.4))


def toy_backbone(family: str, seed: int = 0, **changes: Any) -> HFBackbone:
    """The toy as a backbone, in torch's default precision, before its self-check."""
    info = parse_hf_config(toy_raw(family, **changes), f"toy {family}")
    backbone = random_hf(info, seed)
    shake(backbone.model, seed)
    return backbone.to(torch.get_default_dtype())


def toy_theirs(info: HFConfig, backbone: HFBackbone) -> PreTrainedModel:
    """A model of `transformers` alone with the toy's weights."""
    raw = json.loads(info.raw)
    model = AutoModel.from_config(AutoConfig.for_model(raw.pop("model_type"), **raw))
    left_out = model.load_state_dict(backbone.model.state_dict(), strict=False).missing_keys
    assert all("pooler" in name for name in left_out)
    return model.eval()


def save_toy(family: str, folder: Path, seed: int = 0, **changes: Any) -> HFBackbone:
    """The toy as a checkpoint's folder, as `transformers` writes it; without a tokenizer."""
    backbone = toy_backbone(family, seed, **changes)
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backbone.model.save_pretrained(folder)
    return backbone
