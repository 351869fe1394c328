"""The linear layers of a GPT-2's blocks, by name. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

LINEAR_LAYERS = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")


def unmatched_targets(targets: Iterable[str], n_layer: int) -> list[str]:
    """Those of `targets` that end the name of no linear layer, such as `c_fc`, `mlp.c_fc` or `11.mlp.c_fc`."""
    names = [f".{i}.{layer}" for i in range(n_layer) for layer in LINEAR_LAYERS]
    return sorted({target for target in targets if not any(name.endswith(f".{target}") for name in names)})
