"""The architectures of `transformers` that can be fine-tuned here, one line each. Imports no torch.

A line says what holds of an architecture. `gptcore.engine.self_check` tries it out on the loaded model, and
`tests/parity/test_families.py` on toy models of every line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gptcore.backbones.info import Abilities, HeadActivation


@dataclass(frozen=True)
class Family:
    """What holds of an architecture.

    abilities: see `Abilities`; first_position: what the positions of a row count from; gated: the MLP has three
    matrices; context: positions of a row where its config does not say; head: the activation in the hidden layer of
    its sequence classifier in `transformers`, GELU where that has no such layer.
    """

    abilities: Abilities
    first_position: int = 0
    gated: bool = False
    context: int | None = None
    head: HeadActivation = "gelu"


_DECODER = Abilities()
_ENCODER = Abilities(causal=False)
# Attention in code of their own: neither another mask nor packed rows, and padding is hidden as they do it.
_OWN_CODE = Abilities(own_attention=False, one_pad=False, packed=False, reads=False, turns=False)

# By `model_type` of config.json
FAMILIES: dict[str, Family] = {
    # GPT-2's own checkpoints are run by `gptcore.backbones.gpt`.
    "gpt2": Family(_DECODER),
    "gpt_neox": Family(_DECODER),
    "llama": Family(_DECODER, gated=True),
    "qwen2": Family(_DECODER, gated=True),
    "qwen3": Family(_DECODER, gated=True),
    "mistral": Family(_DECODER, gated=True),
    "smollm3": Family(_DECODER, gated=True),
    "gemma": Family(_DECODER, gated=True),
    "gemma2": Family(_DECODER, gated=True),
    "gemma3_text": Family(_DECODER, gated=True),
    "phi3": Family(_DECODER, gated=True),
    "opt": Family(_DECODER),
    "bloom": Family(_OWN_CODE, context=2048),
    "gpt_neo": Family(_OWN_CODE),
    "bert": Family(_ENCODER, head="tanh"),
    "roberta": Family(_ENCODER, first_position=2, head="tanh"),
    "xlm-roberta": Family(_ENCODER, first_position=2, head="tanh"),
    "electra": Family(_ENCODER),
    "distilbert": Family(_ENCODER, head="relu"),
    "deberta-v2": Family(replace(_OWN_CODE, causal=False)),
    "modernbert": Family(_ENCODER, gated=True),
    "modernbert-decoder": Family(_DECODER, gated=True),
    # One block, called again and again: there is no part of it that stays frozen under a trained one.
    "albert": Family(replace(_ENCODER, trunk=False, reads=False), head="tanh"),
}
