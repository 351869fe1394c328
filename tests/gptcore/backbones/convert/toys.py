"""Small made files of the kinds that are converted: GGUF of a llama and of a gemma3, ONNX of a BERT."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from gptcore.backbones.convert.gguf_write import add_metadata

LLAMA = {
    "vocab_size": 24,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
    "rms_norm_eps": 1e-5,
    "rope_theta": 5000.0,
    "tie_word_embeddings": True,
}
GEMMA3 = LLAMA | {
    "head_dim": 32,
    "query_pre_attn_scalar": 32,
    "sliding_window": 8,
    "num_hidden_layers": 7,
    "vocab_size": 300,
}
BERT = {
    "model_type": "bert",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
    "type_vocab_size": 2,
    "vocab_size": 30,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}
# Byte-level BPE: letters, digits and "Ġ" for a space, two merges, two control tokens
BPE_TOKENS = [
    "<|end|>",
    "<|start|>",
    *"abcdefgh0123",
    "Ġ",
    "!",
    "'",
    "t",
    "Ġa",
    "ab",
    "Ġab",
    "cd",
    "'t",
    "12",
]
BPE_MERGES = ["a b", "Ġ ab", "Ġ a", "c d", "' t", "1 2"]


def llama_permuted(values: np.ndarray, n_head: int) -> np.ndarray:
    """Rows of a head as llama.cpp's converter orders them: 0, d/2, 1, d/2 + 1, ..."""
    d_head = values.shape[0] // n_head
    order = [at + half for at in range(d_head // 2) for half in (0, d_head // 2)]
    return np.concatenate([values[head * d_head + np.array(order)] for head in range(n_head)])


def random_model(kind: str, changes: dict[str, Any]) -> torch.nn.Module:
    """A causal language model of `transformers` with weights drawn from a fixed seed; norms are not 1."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **changes), dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.normal_(std=0.2).add_(0.0 if kind.startswith("gemma") else 1.0)
    return model.eval()


def write_llama(
    path: Path, changes: dict[str, Any] | None = None, *, quantise: bool = False
) -> torch.nn.Module:
    """A GGUF file of a random llama; changes: metadata by key, None: left out. Returns the model."""
    model = random_model("llama", LLAMA)
    metadata = {
        "llama.block_count": 2,
        "llama.context_length": 32,
        "llama.embedding_length": 64,
        "llama.feed_forward_length": 96,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.rope.freq_base": 5000.0,
        "llama.rope.dimension_count": 16,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.vocab_size": 24,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": BPE_TOKENS,
        "tokenizer.ggml.token_type": [3, 3, *[1] * 22],
        "tokenizer.ggml.merges": BPE_MERGES,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
    }
    names = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }

    def stored(name: str, values: np.ndarray) -> np.ndarray:
        heads = {"q_proj": 4, "k_proj": 2}.get(name.split(".")[-2])
        return values if heads is None else llama_permuted(values, heads)

    write_gguf(path, "llama", metadata | (changes or {}), model, names, stored, quantise)
    return model


def write_gemma3(path: Path, changes: dict[str, Any] | None = None) -> torch.nn.Module:
    """A GGUF file of a random gemma3, with a vocabulary of SentencePiece's kind. Returns the model."""
    model = random_model("gemma3_text", GEMMA3)
    pieces = ["▁", *"abcdefgh", "ab", "▁a", "▁ab", "abc", "cd", "▁abcd", "\n", "\n\n", "  "]
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{i:02X}>" for i in range(256)), *pieces]
    kinds = [3] * 4 + [6] * 256 + [1] * 15 + [4] * 3
    scores = [-1000.0] * 4 + [0.0] * 256 + [-float(i) for i in range(15)] + [-1000.0] * 3
    left = 300 - len(tokens)
    metadata = {
        "gemma3.block_count": 7,
        "gemma3.context_length": 32,
        "gemma3.embedding_length": 64,
        "gemma3.feed_forward_length": 96,
        "gemma3.attention.head_count": 4,
        "gemma3.attention.head_count_kv": 2,
        "gemma3.attention.key_length": 32,
        "gemma3.attention.value_length": 32,
        "gemma3.attention.sliding_window": 8,
        "gemma3.rope.freq_base": 5000.0,
        "gemma3.attention.layer_norm_rms_epsilon": 1e-5,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens + [f"<unused{i}>" for i in range(left)],
        "tokenizer.ggml.token_type": kinds + [3] * left,
        "tokenizer.ggml.scores": scores + [-1000.0] * left,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.unknown_token_id": 3,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
    }
    names = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "post_attention_norm",
        "pre_feedforward_layernorm": "ffn_norm",
        "post_feedforward_layernorm": "post_ffw_norm",
        "self_attn.q_norm": "attn_q_norm",
        "self_attn.k_norm": "attn_k_norm",
    }

    def stored(name: str, values: np.ndarray) -> np.ndarray:
        return values + np.float32(1) if "norm" in name else values

    write_gguf(path, "gemma3", metadata | (changes or {}), model, names, stored, quantise=False)
    return model


def write_gguf(path, kind, metadata, model, names, stored, quantise):
    """The model and its metadata as a GGUF file, through the package's own writer."""
    import gguf

    parts = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    } | names
    writer = gguf.GGUFWriter(str(path), kind)
    add_metadata(writer, {key: value for key, value in metadata.items() if value is not None})
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        stem = name.removesuffix(".weight")
        if stem.startswith("model.layers."):
            _, _, i, part = stem.split(".", 3)
            there = f"blk.{i}.{parts[part]}.weight"
        else:
            there = f"{parts[stem]}.weight"
        values = np.ascontiguousarray(stored(name, tensor.numpy()))
        if quantise and values.ndim == 2 and there != "token_embd.weight":
            kind_of = gguf.GGMLQuantizationType.Q4_1
            writer.add_tensor(there, gguf.quantize(values, kind_of), raw_dtype=kind_of)
        else:
            writer.add_tensor(there, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_onnx(path: Path, changes: dict[str, np.ndarray] | None = None) -> torch.nn.Module:
    """An ONNX file with what an exporter leaves of a random BERT: matrices without names. Returns the model."""
    import onnx
    from onnx import helper, numpy_helper
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    model = BertModel(BertConfig(**BERT), add_pooling_layer=False).eval()
    prefix = "model.0.auto_model."
    tensors, nodes = [], []
    for i, (name, tensor) in enumerate(model.state_dict().items()):
        if not tensor.is_floating_point():
            continue
        values = tensor.numpy()
        if values.ndim == 2 and "embeddings" not in name:
            matrix, product = f"onnx::MatMul_{i}", f"product_{i}"
            tensors.append(numpy_helper.from_array(np.ascontiguousarray(values.T), matrix))
            nodes.append(helper.make_node("MatMul", [f"x_{i}", matrix], [product]))
            bias = prefix + name.removesuffix("weight") + "bias"
            both = [bias, product] if i % 2 else [product, bias]
            nodes.append(helper.make_node("Add", both, [f"y_{i}"]))
        else:
            tensors.append(numpy_helper.from_array(values, prefix + name))
    tensors += [numpy_helper.from_array(values, name) for name, values in (changes or {}).items()]
    graph = helper.make_graph(nodes, "toy", [], [], initializer=tensors)
    onnx.save(helper.make_model(graph), str(path))
    return model
