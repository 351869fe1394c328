"""The linear layers of a GPT-2's blocks, by name. Imports no torch."""

from __future__ import annotations

LINEAR_LAYERS = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")


def linear_layers(n_layer: int) -> list[str]:
    """The name of every linear layer within the blocks, such as "11.mlp.c_fc"."""
    return [f"{i}.{layer}" for i in range(n_layer) for layer in LINEAR_LAYERS]
