"""Which linear layers an adapter goes on: names, or the ends of names, within the blocks. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

ALL_LINEAR = "all-linear"  # every one; an output layer is outside the blocks, so it is never among them
NO_BIASES = 'lora: bias: this model\'s layers have no biases: use bias = "none"'


def is_target(name: str, targets: Sequence[str]) -> bool:
    """Whether a layer of that name, such as "11.mlp.c_fc", gets an adapter."""
    return any(target == ALL_LINEAR or f".{name}".endswith(f".{target}") for target in targets)


def unmatched(targets: Sequence[str], linear_layers: Sequence[str]) -> str | None:
    """Targets that name none of these layers, such as those of another architecture, in one line; None where all do."""
    if not linear_layers:
        return "lora_targets: the blocks of this model have no linear layers"
    odd = [target for target in targets if not any(is_target(name, [target]) for name in linear_layers)]
    if not odd:
        return None
    names = ", ".join(dict.fromkeys(name.split(".", 1)[-1] for name in linear_layers))
    said = f"lora_targets: {', '.join(odd)} is not a linear layer of a block"
    return f"{said} (the layers are {names}; {ALL_LINEAR!r} takes them all)"
