"""What llama.cpp makes of the architectures of `transformers`, a line each. Imports no torch.

The names of tensors are those of the package `gguf`. The rest stands here: llama.cpp's name of an architecture, the
metadata that it reads, what it computes whatever a config says, and the tensors that it wants otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gptcore.backbones.convert.gguf_model import ARCHITECTURES
from gptcore.backbones.families import FAMILIES

Config = dict[str, Any]
Allowed = Mapping[str, tuple[Any, ...]]
TYPE_COUNT = "tokenizer.ggml.token_type_count"


def _as_it_is(_name: str, values: np.ndarray, _config: Config) -> np.ndarray:
    return values


@dataclass(frozen=True)
class Written:
    """How an architecture is written.

    kind: llama.cpp's name of it; metadata: from a config.json, keys of `tokenizer.` whole and others without the
    architecture; only: the values of a config that llama.cpp computes with; values: of a tensor as the file has
    them, from its name there, values as `nn.Linear` has them, and config; in_transformers: whether its GGUF reader
    knows the architecture; undo: the reverse of values, where it does not.
    """

    kind: str
    metadata: Callable[[Config], dict[str, Any]]
    only: Callable[[Config], Allowed]
    values: Callable[[str, np.ndarray, Config], np.ndarray] = _as_it_is
    in_transformers: bool = True
    undo: Callable[[str, np.ndarray, Config], np.ndarray] = _as_it_is


def _always(**allowed: tuple[Any, ...]) -> Callable[[Config], Allowed]:
    return lambda _config: allowed


def _gpt2_metadata(config: Config) -> dict[str, Any]:
    return {
        "block_count": config["n_layer"],
        "context_length": config["n_positions"],
        "embedding_length": config["n_embd"],
        "feed_forward_length": config["n_inner"] or 4 * config["n_embd"],
        "attention.head_count": config["n_head"],
        "attention.layer_norm_epsilon": config["layer_norm_epsilon"],
    }


def _decoder_metadata(config: Config) -> dict[str, Any]:
    n_head = config["num_attention_heads"]
    d_head = _d_head(config)
    rope: dict[str, Any] = config.get("rope_parameters") or {}
    rope = rope.get("full_attention", rope)
    return {
        "block_count": config["num_hidden_layers"],
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": n_head,
        "attention.head_count_kv": config.get("num_key_value_heads") or n_head,
        "attention.key_length": d_head,
        "attention.value_length": d_head,
        "attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        "rope.freq_base": float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0),
    }


def _llama_metadata(config: Config) -> dict[str, Any]:
    more = {"rope.dimension_count": _d_head(config), "vocab_size": config["vocab_size"]}
    return _decoder_metadata(config) | more


def _gemma2_metadata(config: Config) -> dict[str, Any]:
    softcap = {"attn_logit_softcapping": float(config["attn_logit_softcapping"])}
    return _gemma3_metadata(config) | softcap


def _gemma3_metadata(config: Config) -> dict[str, Any]:
    return _decoder_metadata(config) | {"attention.sliding_window": config["sliding_window"]}


def _bert_metadata(config: Config) -> dict[str, Any]:
    return {
        "block_count": config["num_hidden_layers"],
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.layer_norm_epsilon": float(config["layer_norm_eps"]),
        "attention.causal": False,
        TYPE_COUNT: config["type_vocab_size"],
    }


def _roberta_metadata(config: Config) -> dict[str, Any]:
    first = FAMILIES["roberta"].first_position
    return _bert_metadata(config) | {"context_length": config["max_position_embeddings"] - first}


def _distilbert_metadata(config: Config) -> dict[str, Any]:
    return {
        "block_count": config["n_layers"],
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["dim"],
        "feed_forward_length": config["hidden_dim"],
        "attention.head_count": config["n_heads"],
        "attention.layer_norm_epsilon": 1e-12,
        "attention.causal": False,
        TYPE_COUNT: 1,  # it has none, and llama.cpp asks for the number
    }


def _d_head(config: Config) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def _smollm3_only(config: Config) -> Allowed:
    """Every fourth block rotates nothing."""
    rotates = [int(i % 4 != 3) for i in range(config["num_hidden_layers"])]
    return {**_SILU, **_NO_BIAS, **_NO_WINDOW, "mlp_bias": (False, None), "no_rope_layers": (rotates,)}


def _gemma2_only(config: Config) -> Allowed:
    """Every other block sees all positions. Scores of the 27B, which has 46 blocks, are divided by another number."""
    n_blocks = config["num_hidden_layers"]
    d_head = config["hidden_size"] // config["num_attention_heads"] if n_blocks == 46 else _d_head(config)
    return {
        **_GEMMA,
        "hidden_activation": ("gelu_pytorch_tanh",),
        "attn_logit_softcapping": (config.get("attn_logit_softcapping") or 50.0,),
        "query_pre_attn_scalar": (d_head,),
        "layer_types": ([("sliding_attention", "full_attention")[i % 2] for i in range(n_blocks)],),
    }


def _gemma3_only(config: Config) -> Allowed:
    """Every sixth block sees all positions, and the others rotate by a base of their own."""
    n_blocks = config["num_hidden_layers"]
    kinds = ["full_attention" if i % 6 == 5 else "sliding_attention" for i in range(n_blocks)]
    theta = _decoder_metadata(config)["rope.freq_base"]
    rope = {"full_attention": theta, "sliding_attention": 10000.0}
    return {
        **_GEMMA,
        "hidden_activation": ("gelu_pytorch_tanh",),
        "attn_logit_softcapping": (None,),
        "query_pre_attn_scalar": (_d_head(config),),
        "layer_types": (kinds,),
        "rope_parameters": (
            {kind: {"rope_type": "default", "rope_theta": base} for kind, base in rope.items()},
        ),
    }


def _llama_values(name: str, values: np.ndarray, config: Config) -> np.ndarray:
    """Rows of q and k in pairs (0, d/2), (1, d/2 + 1) ... per head: what `gguf_model` undoes."""
    heads = {"attn_q": "num_attention_heads", "attn_k": "num_key_value_heads"}
    if (found := re.fullmatch(r"blk\.\d+\.(attn_[qk])\.weight", name)) is None:
        return values
    n_head = config.get(heads[found[1]]) or config["num_attention_heads"]
    by_halves = values.reshape(n_head, 2, -1, values.shape[1])  # (H, 2, d/2, D)
    return by_halves.swapaxes(1, 2).reshape(values.shape)


def _gemma_values(name: str, values: np.ndarray, _config: Config) -> np.ndarray:
    """Norms with the 1 that the model adds to their weights."""
    return values + np.float32(1) if name.endswith("norm.weight") else values


def _roberta_values(name: str, values: np.ndarray, _config: Config) -> np.ndarray:
    """Positions from that of a text's first token on: llama.cpp counts them from 0."""
    return values[FAMILIES["roberta"].first_position :] if name == "position_embd.weight" else values


_SILU = {"hidden_act": ("silu",)}
_NO_WINDOW = {"use_sliding_window": (False, None)}
_NO_BIAS = {"attention_bias": (False, None)}
_GEMMA = {**_NO_BIAS, "use_bidirectional_attention": (False, None)}
_UNDO_LLAMA = ARCHITECTURES["llama"].undo
# By `model_type` of config.json
WRITTEN = {
    "gpt2": Written(
        "gpt2",
        _gpt2_metadata,
        _always(
            activation_function=("gelu_new",),
            scale_attn_weights=(True, None),
            scale_attn_by_inverse_layer_idx=(False, None),
        ),
    ),
    "llama": Written(
        "llama", _llama_metadata, _always(**_SILU, **_NO_BIAS, mlp_bias=(False, None)), _llama_values
    ),
    "qwen2": Written("qwen2", _llama_metadata, _always(**_SILU, **_NO_WINDOW)),
    "qwen3": Written("qwen3", _llama_metadata, _always(**_SILU, **_NO_WINDOW, **_NO_BIAS)),
    "mistral": Written(
        "llama",
        _llama_metadata,
        _always(**_SILU, sliding_window=(None,)),
        _llama_values,
        in_transformers=False,
        undo=_UNDO_LLAMA,
    ),
    "smollm3": Written(
        "smollm3", _llama_metadata, _smollm3_only, _llama_values, in_transformers=False, undo=_UNDO_LLAMA
    ),
    "gemma2": Written("gemma2", _gemma2_metadata, _gemma2_only, _gemma_values),
    "gemma3_text": Written("gemma3", _gemma3_metadata, _gemma3_only, _gemma_values),
    "bert": Written("bert", _bert_metadata, _always(hidden_act=("gelu",)), in_transformers=False),
    "roberta": Written(
        "bert", _roberta_metadata, _always(hidden_act=("gelu",)), _roberta_values, in_transformers=False
    ),
    "distilbert": Written("bert", _distilbert_metadata, _always(activation=("gelu",)), in_transformers=False),
}
