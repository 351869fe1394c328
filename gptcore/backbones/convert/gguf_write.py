"""Models as GGUF files, as llama.cpp's own converter names and orders their tensors. Needs the package `gguf`.

What is not understood is refused: an architecture, a value of its config that llama.cpp has no key for, a tensor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gptcore.backbones.convert.gguf_model import BLOCK
from gptcore.errors import UserError

# llama.cpp computes every GPT-2 and Llama with these.
_ONLY: dict[str, dict[str, tuple[Any, ...]]] = {
    "gpt2": {
        "activation_function": ("gelu_new",),
        "scale_attn_weights": (True, None),
        "scale_attn_by_inverse_layer_idx": (False, None),
    },
    "llama": {"hidden_act": ("silu",), "attention_bias": (False, None), "mlp_bias": (False, None)},
    "qwen2": {"hidden_act": ("silu",), "use_sliding_window": (False, None)},
    "qwen3": {
        "hidden_act": ("silu",),
        "use_sliding_window": (False, None),
        "attention_bias": (False, None),
    },
}


@dataclass(frozen=True)
class Written:
    """How an architecture is written.

    outside, block: modules in `transformers` -> in the file; metadata: from a config, keys without the architecture;
    values: of a tensor as the file has them, from its name there, values as `nn.Linear` has them, and config.
    """

    outside: Mapping[str, str]
    block: Mapping[str, str]
    metadata: Callable[[dict[str, Any]], dict[str, Any]]
    values: Callable[[str, np.ndarray, dict[str, Any]], np.ndarray]


def gguf_obstacle(config: dict[str, Any]) -> str | None:
    """Why a model with that config.json cannot be written; None where it can."""
    kind = config["model_type"]
    if kind not in WRITTEN:
        return f"{kind} is not written as GGUF, only {', '.join(WRITTEN)}: use --to onnx"
    for key, allowed in _ONLY[kind].items():
        if config.get(key) not in allowed:
            return f"{key} = {config.get(key)!r}, and llama.cpp computes every {kind} with {allowed[0]!r}"
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        return f"rope_type = {rope.get('rope_type', rope.get('type'))!r} is not written, only 'default'"
    return None


def write_gguf(
    path: Path, config: dict[str, Any], tensors: Mapping[str, np.ndarray], tokenizer: Mapping[str, Any]
) -> None:
    """Write a model in float32.

    config: the content of its config.json; tensors: by their names in `transformers`' base model, matrices as
    `nn.Linear` has them; tokenizer: metadata, see `gguf_tokenizer`. Raises UserError for a tensor that has no place.
    """
    import gguf

    kind = config["model_type"]
    how = WRITTEN[kind]
    writer = gguf.GGUFWriter(str(path), kind)
    own = {f"{kind}.{key}": value for key, value in how.metadata(config).items()}
    add_metadata(writer, own | dict(tokenizer))
    for name, tensor in tensors.items():
        there = _name(how, name)
        writer.add_tensor(there, np.ascontiguousarray(how.values(there, tensor, config), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_metadata(writer: Any, metadata: Mapping[str, Any]) -> None:
    """Give a `gguf.GGUFWriter` each value under its key."""
    for key, value in metadata.items():
        match value:
            case bool():
                writer.add_bool(key, value)
            case int():
                writer.add_uint32(key, value)
            case float():
                writer.add_float32(key, value)
            case str():
                writer.add_string(key, value)
            case _:
                writer.add_array(key, value)


def _name(how: Written, name: str) -> str:
    stem, _, kind = name.rpartition(".")
    if (found := re.fullmatch(r"(?:h|layers)\.(\d+)\.(.+)", stem)) is not None:
        there = how.block.get(found[2])
        there = None if there is None else f"blk.{found[1]}.{there}"
    else:
        there = how.outside.get(stem)
    if there is None:
        raise UserError(f"{name} has no place in a GGUF file of this architecture")
    return f"{there}.{kind}"


def _gpt2_metadata(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "block_count": config["n_layer"],
        "context_length": config["n_positions"],
        "embedding_length": config["n_embd"],
        "feed_forward_length": config["n_inner"] or 4 * config["n_embd"],
        "attention.head_count": config["n_head"],
        "attention.layer_norm_epsilon": config["layer_norm_epsilon"],
    }


def _llama_metadata(config: dict[str, Any]) -> dict[str, Any]:
    n_head = config["num_attention_heads"]
    d_head = config.get("head_dim") or config["hidden_size"] // n_head
    rope = config.get("rope_parameters") or {}
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
        "rope.freq_base": float(rope.get("rope_theta", config.get("rope_theta") or 10000.0)),
        "rope.dimension_count": d_head,
        "vocab_size": config["vocab_size"],
    }


def _as_it_is(_name: str, values: np.ndarray, _config: dict[str, Any]) -> np.ndarray:
    return values


def _llama_values(name: str, values: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """Rows of q and k in pairs (0, d/2), (1, d/2 + 1) ... per head: what `gguf_model` undoes."""
    heads = {"attn_q": "num_attention_heads", "attn_k": "num_key_value_heads"}
    if (found := re.fullmatch(r"blk\.\d+\.(attn_[qk])\.weight", name)) is None:
        return values
    n_head = config.get(heads[found[1]]) or config["num_attention_heads"]
    by_halves = values.reshape(n_head, 2, -1, values.shape[1])  # (H, 2, d/2, D)
    return by_halves.swapaxes(1, 2).reshape(values.shape)


_OUTSIDE = {"embed_tokens": "token_embd", "norm": "output_norm"}
_BLOCK = {here: there for there, here in BLOCK.items()} | {"post_attention_layernorm": "ffn_norm"}
_QK_NORMS = {"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
# By `model_type`, which is llama.cpp's name as well
WRITTEN = {
    "gpt2": Written(
        {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm"},
        {
            "ln_1": "attn_norm",
            "attn.c_attn": "attn_qkv",
            "attn.c_proj": "attn_output",
            "ln_2": "ffn_norm",
            "mlp.c_fc": "ffn_up",
            "mlp.c_proj": "ffn_down",
        },
        _gpt2_metadata,
        _as_it_is,
    ),
    "llama": Written(_OUTSIDE, _BLOCK, _llama_metadata, _llama_values),
    "qwen2": Written(_OUTSIDE, _BLOCK, _llama_metadata, _as_it_is),
    "qwen3": Written(_OUTSIDE, _BLOCK | _QK_NORMS, _llama_metadata, _as_it_is),
}
