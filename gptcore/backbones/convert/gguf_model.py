"""Models in GGUF files as `transformers` knows them: names of tensors, and what was done to some, undone.

What is not understood is refused: an architecture, a key of its metadata, a tensor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gptcore.backbones.convert.gguf_file import Metadata, open_gguf
from gptcore.backbones.convert.gguf_tokenizer import tokenizer_texts
from gptcore.backbones.convert.tensors import FoundModel, LazyTensor
from gptcore.errors import UserError

_OUTSIDE = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
_OUTPUT = {"output.weight": "lm_head.weight"}  # only where it is not tied to the embedding
_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass(frozen=True)
class Architecture:
    """How an architecture is kept in GGUF.

    names: of the modules of a block, there -> in `transformers`; config: its config.json from the metadata;
    undo: the values of a tensor as they were, from its name, values and config.
    """

    names: Mapping[str, str]
    config: Callable[[Metadata], dict[str, Any]]
    undo: Callable[[str, np.ndarray, dict[str, Any]], np.ndarray]


def convert_gguf(path: Path) -> FoundModel:
    """The model in a GGUF file, values dequantised. Raises UserError, also for what is not understood in it."""
    metadata, tensors = open_gguf(path)
    metadata.expect("general.architecture", *ARCHITECTURES)
    kind = ARCHITECTURES[metadata.get("general.architecture", str)]
    config = kind.config(metadata)
    prefix = metadata.get("general.architecture", str)
    metadata.ignore(f"{prefix}.pooling_type")  # what becomes of states afterwards
    metadata.refuse_others(f"{prefix}.")
    embedding = tensors.get("token_embd.weight")
    if embedding is None:
        raise UserError(f"{path.name} has no token_embd.weight")
    config |= {
        "vocab_size": embedding.shape[0],
        "tie_word_embeddings": "output.weight" not in tensors,
        "dtype": "float32",
    }
    texts, ids = tokenizer_texts(metadata, embedding.shape[0])
    names = _names(kind, config["num_hidden_layers"]) | (_OUTPUT if "output.weight" in tensors else {})
    if missing := sorted(names.keys() - tensors.keys()):
        raise UserError(f"{path.name} has no {missing[0]} ({len(missing)} tensors of the model are missing)")
    if surplus := sorted(tensors.keys() - names.keys()):
        raise UserError(f"{path.name}: {surplus[0]} is not a tensor of this architecture")

    def lazy(there: str) -> LazyTensor:
        return replace(tensors[there], read=lambda: kind.undo(there, tensors[there].read(), config))

    return FoundModel(config | ids, {here: lazy(there) for there, here in names.items()}, texts)


def _names(kind: Architecture, n_blocks: int) -> dict[str, str]:
    names = dict(_OUTSIDE)
    for i in range(n_blocks):
        for there, here in kind.names.items():
            names[f"blk.{i}.{there}.weight"] = f"model.layers.{i}.{here}.weight"
    return names


def _shape(metadata: Metadata, prefix: str) -> dict[str, Any]:
    """What all of them state in the same way."""
    n_head = metadata.get(f"{prefix}.attention.head_count", int)
    return {
        "hidden_size": metadata.get(f"{prefix}.embedding_length", int),
        "num_hidden_layers": metadata.get(f"{prefix}.block_count", int),
        "intermediate_size": metadata.get(f"{prefix}.feed_forward_length", int),
        "num_attention_heads": n_head,
        "num_key_value_heads": metadata.get(f"{prefix}.attention.head_count_kv", int, n_head),
        "max_position_embeddings": metadata.get(f"{prefix}.context_length", int),
        "rms_norm_eps": _decimal(metadata.get(f"{prefix}.attention.layer_norm_rms_epsilon", float)),
        "rope_theta": metadata.get(f"{prefix}.rope.freq_base", float, 10000.0),
    }


def _llama_config(metadata: Metadata) -> dict[str, Any]:
    shape = _shape(metadata, "llama")
    d_head = shape["hidden_size"] // shape["num_attention_heads"]
    metadata.expect("llama.rope.dimension_count", d_head, None)
    metadata.expect("llama.attention.key_length", d_head, None)
    metadata.expect("llama.attention.value_length", d_head, None)
    metadata.expect("llama.vocab_size", metadata.n_tokens, None)
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        **shape,
        "head_dim": d_head,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
    }


def _gemma3_config(metadata: Metadata) -> dict[str, Any]:
    """Every sixth block sees all positions, as llama.cpp assumes of the architecture."""
    shape = _shape(metadata, "gemma3")
    d_head = metadata.get("gemma3.attention.key_length", int)
    metadata.expect("gemma3.attention.value_length", d_head)
    # The 27B divides its scores by another number, which the file does not state.
    metadata.expect("gemma3.block_count", *(n for n in range(1, 49)))
    n_blocks = shape["num_hidden_layers"]
    return {
        "model_type": "gemma3_text",
        "architectures": ["Gemma3ForCausalLM"],
        **shape,
        "head_dim": d_head,
        "query_pre_attn_scalar": d_head,
        "hidden_activation": "gelu_pytorch_tanh",
        "attention_bias": False,
        "rope_local_base_freq": 10000.0,
        "sliding_window": metadata.get("gemma3.attention.sliding_window", int),
        "layer_types": [
            "full_attention" if (i + 1) % 6 == 0 else "sliding_attention" for i in range(n_blocks)
        ],
    }


def _decimal(x: float) -> float:
    """The decimal number that was rounded to float32, such as 1e-05 from 9.999999747378752e-06."""
    return float(str(np.float32(x)))


def _llama_undo(name: str, values: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """Rows of q and k stand in pairs (0, d/2), (1, d/2 + 1) ... per head, for llama.cpp's rotation."""
    heads = {"attn_q": "num_attention_heads", "attn_k": "num_key_value_heads"}
    if (found := re.fullmatch(r"blk\.\d+\.(attn_[qk])\.weight", name)) is None:
        return values
    by_pairs = values.reshape(config[heads[found[1]]], -1, 2, values.shape[1])  # (H, d/2, 2, D)
    return by_pairs.swapaxes(1, 2).reshape(values.shape)


def _gemma3_undo(name: str, values: np.ndarray, _config: dict[str, Any]) -> np.ndarray:
    """llama.cpp keeps the norms' weights with the 1 that the model adds."""
    return values - np.float32(1) if name.endswith("norm.weight") else values


ARCHITECTURES = {
    "llama": Architecture(_BLOCK | {"ffn_norm": "post_attention_layernorm"}, _llama_config, _llama_undo),
    "gemma3": Architecture(
        _BLOCK
        | {
            "attn_q_norm": "self_attn.q_norm",
            "attn_k_norm": "self_attn.k_norm",
            "post_attention_norm": "post_attention_layernorm",
            "ffn_norm": "pre_feedforward_layernorm",
            "post_ffw_norm": "post_feedforward_layernorm",
        },
        _gemma3_config,
        _gemma3_undo,
    ),
}
