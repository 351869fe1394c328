"""The `config.json` of a model that `transformers` runs, as far as planning needs it. Imports no torch.

`transformers` reads the rest. What would change what a model computes behind the back of `families.py` is refused.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from gptcore.backbones.families import FAMILIES, Family
from gptcore.backbones.info import Abilities, HeadActivation
from gptcore.errors import UserError
from gptcore.schema import Part

# The names by which architectures call the same number, the usual one first.
_NAMES = {
    "width": ("hidden_size", "n_embd", "n_embed", "dim", "d_model"),
    "n_blocks": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "vocab_size": ("vocab_size",),
    "n_head": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "n_kv": ("num_key_value_heads",),
    "d_head": ("head_dim",),
    "d_mlp": ("intermediate_size", "n_inner", "ffn_dim", "hidden_dim"),
    "d_embedding": ("embedding_size",),
    "context": ("max_position_embeddings", "n_positions", "seq_length"),
}
_LARGEST = 10**9
# Keys that change what a model is, with the values that leave it as its family says.
_ONLY: dict[str, tuple[Any, ...]] = {
    "is_decoder": (None, False),
    "add_cross_attention": (None, False),
    "is_encoder_decoder": (None, False),
    "is_causal": (None, True),
    "use_bidirectional_attention": (None, False),
    "position_embedding_type": (None, "absolute", "rope"),
    "quantization_config": (None,),
    "compression_config": (None,),
    "pruned_heads": (None, {}),
    "conv_kernel_size": (
        None,
        0,
    ),  # DeBERTa-v2's of 900M: it looks at the embeddings again, after the first block
    "tie_encoder_decoder": (None, False),
}
# Whose rotary tables depend on the longest row of a batch beyond the length that the model was first trained with.
_ROWS_DECIDE = ("dynamic", "longrope", "su")
# Keys that say where a config comes from, and nothing of what the model computes.
_VOLATILE = ("transformers_version", "_name_or_path", "_commit_hash")


class HFConfig(Part):
    """Shape of a model of `transformers`; see `gptcore.backbones.info.BackboneInfo`.

    raw: the config as canonical JSON; n_block_params, n_params: of the matrices alone, so a little too few;
    off: abilities of its family that a trial of the loaded model did not confirm.
    """

    model_type: str
    n_blocks: int = Field(gt=0)
    width: int = Field(gt=0)
    d_mlp: int = Field(gt=0)
    context: int = Field(gt=0)
    vocab_size: int = Field(gt=0)
    n_block_params: int = Field(gt=0)
    n_outside_params: int = Field(ge=0)
    raw: str
    off: tuple[str, ...] = ()

    @property
    def family(self) -> Family:
        """What holds of its architecture."""
        return FAMILIES[self.model_type]

    @property
    def abilities(self) -> Abilities:
        """Those of its family, without what a trial did not confirm."""
        of_family = vars(self.family.abilities)
        return Abilities(**(of_family | dict.fromkeys(self.off, False)))

    @property
    def head_activation(self) -> HeadActivation:
        """In the hidden layer of a class head, as its architecture's own classifier has it."""
        return self.family.head

    @property
    def native_attention(self) -> str:
        """What attention = "native" means in a recipe."""
        return "causal" if self.abilities.causal else "bidirectional"

    @property
    def tokenizer(self) -> str:
        """Its tokenizer lies beside its weights."""
        return "own"

    @property
    def identity(self) -> str:
        """The whole config as text."""
        return self.raw

    @property
    def n_params(self) -> int:
        """Parameters of the model without an output layer, nearly."""
        return self.n_outside_params + self.n_blocks * self.n_block_params

    def with_blocks(self, n: int) -> HFConfig:
        """The same architecture with the lowest `n` blocks."""
        raw = json.loads(self.raw)
        for name in _NAMES["n_blocks"]:
            if name in raw:
                raw[name] = n
        for name, value in raw.items():  # such as layer_types: an entry per block
            if isinstance(value, list) and len(value) == self.n_blocks:
                raw[name] = value[:n]
        if isinstance(kinds := raw.get("attention_types"), list):  # gpt_neo's: kinds of blocks, and how often
            each = [kind for names, times in kinds for _ in range(times) for kind in names]
            raw["attention_types"] = [[[kind], 1] for kind in each[:n]]
        return parse_hf_config(raw, "config.json")


def is_hf_config(raw: dict[str, Any]) -> bool:
    """Whether a config is of a model that `transformers` runs: GPT-2's are run by `gptcore.backbones.gpt`."""
    return bool(raw.get("model_type", "gpt2") != "gpt2")


def parse_hf_config(raw: dict[str, Any], where: str) -> HFConfig:
    """HFConfig from the content of a `config.json`. Raises UserError; `where` begins its message."""
    model_type = raw.get("model_type")
    if model_type not in FAMILIES:
        raise UserError(
            f"{where}: model_type = {_shown(model_type)} is not supported: use one of {', '.join(FAMILIES)}"
        )
    family = FAMILIES[model_type]
    _check(raw, where)
    numbers = {field: _number(field, raw, where) for field in _NAMES}
    width, n_blocks, vocab_size = (
        numbers[key] or _missing(key, where) for key in ("width", "n_blocks", "vocab_size")
    )
    n_head = numbers["n_head"] or _missing("n_head", where)
    d_head = numbers["d_head"] or width // n_head
    d_mlp = numbers["d_mlp"] or 4 * width
    context = numbers["context"] or family.context or _missing("context", where)
    of_attention = 2 * width * d_head * (n_head + (numbers["n_kv"] or n_head))
    kept = {key: value for key, value in raw.items() if key not in _VOLATILE}
    return HFConfig(
        model_type=model_type,
        n_blocks=n_blocks if family.abilities.trunk else 1,
        width=width,
        d_mlp=d_mlp,
        context=min(context - family.first_position, _steady_context(raw, context)),
        vocab_size=vocab_size,
        n_block_params=of_attention + (3 if family.gated else 2) * width * d_mlp,
        n_outside_params=vocab_size * (numbers["d_embedding"] or width),
        raw=json.dumps(kept, sort_keys=True),
    )


def _check(raw: dict[str, Any], where: str) -> None:
    """Raises UserError for a value that makes another model of the family."""
    for key, allowed in _ONLY.items():
        if key in raw and not any(raw[key] == value and type(raw[key]) is type(value) for value in allowed):
            expected = " or ".join(_shown(value) for value in allowed)
            raise UserError(f"{where}: {key} = {_shown(raw[key])} is not supported: use {expected}")
    own_width = raw.get("hidden_size")
    if raw["model_type"] == "opt" and raw.get("word_embed_proj_dim", own_width) != own_width:
        raise UserError(
            f"{where}: word_embed_proj_dim = {_shown(raw['word_embed_proj_dim'])} is not supported: use a model whose "
            "states keep their width to the end, such as any OPT but that of 350M"
        )
    if raw["model_type"] in ("roberta", "xlm-roberta") and raw.get("pad_token_id", 1) != 1:
        raise UserError(
            f"{where}: pad_token_id = {_shown(raw['pad_token_id'])} is not supported: positions of this architecture "
            "count from it, and only 1 is known"
        )


def _steady_context(raw: dict[str, Any], context: int) -> int:
    """The length up to which the position of a token means the same in every batch."""
    rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type")) if isinstance(rope, dict) else None
    if kind not in _ROWS_DECIDE:
        return context
    original = rope.get(
        "original_max_position_embeddings", raw.get("original_max_position_embeddings", context)
    )
    return min(context, int(original))


def _number(field: str, raw: dict[str, Any], where: str) -> int | None:
    found = {name: raw[name] for name in _NAMES[field] if raw.get(name) is not None}
    for name, value in found.items():
        if type(value) is not int or not 1 <= value <= _LARGEST:
            raise UserError(f"{where}: {name} = {_shown(value)}: use a whole number from 1 to {_LARGEST:,}")
    return next(iter(found.values()), None)


def _missing(field: str, where: str) -> int:
    raise UserError(f"{where} is not the config of a model: no {_NAMES[field][0]!r}")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"
