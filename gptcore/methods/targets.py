"""Which linear layers an adapter goes on: names, or the ends of names, within the blocks. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

ALL_LINEAR = "all-linear"  # every one; an output layer is outside the blocks, so it is never among them
ATTENTION, MLP = "attention", "mlp"  # all of a block's attention, and all others
# The same on a GPT-2, spelled as before these two names existed: records are found by that spelling.
_OF_GPT2 = {ATTENTION: ("c_attn", "attn.c_proj"), MLP: ("c_fc", "mlp.c_proj")}
NO_BIASES = 'lora: bias: this model\'s layers have no biases: use bias = "none"'


def is_target(name: str, targets: Sequence[str]) -> bool:
    """Whether a layer of that name, such as "11.mlp.c_fc", gets an adapter."""
    return any(_is_meant(name, target) for target in targets)


def _is_meant(name: str, target: str) -> bool:
    if target in (ATTENTION, MLP):
        # Families call their attention attn, self_attn, attention.self, self_attention
        in_attention = any("attn" in part or "attention" in part for part in name.split(".")[:-1])
        return in_attention == (target == ATTENTION)
    return target == ALL_LINEAR or f".{name}".endswith(f".{target}")


def oldest_spelling(targets: Sequence[str]) -> list[str]:
    """Targets that say the same of a GPT-2, by the names of its layers."""
    return [name for target in targets for name in _OF_GPT2.get(target, (target,))]


def unmatched(targets: Sequence[str], linear_layers: Sequence[str]) -> str | None:
    """Targets that name none of these layers, such as those of another architecture, in one line; None where all do."""
    if not linear_layers:
        return "lora_targets: the blocks of this model have no linear layers"
    odd = [target for target in targets if not any(is_target(name, [target]) for name in linear_layers)]
    if not odd:
        return None
    names = ", ".join(dict.fromkeys(name.split(".", 1)[-1] for name in linear_layers))
    said = f"lora_targets: {', '.join(odd)} is not a linear layer of a block"
    return f"{said} (the layers are {names}; {ALL_LINEAR!r} takes them all, {ATTENTION!r} or {MLP!r} a part)"
