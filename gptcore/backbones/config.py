"""The shape of a GPT and the registry of known models. Imports no torch, so listing and planning stay fast."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from gptcore.backbones.catalogue import CATALOGUE
from gptcore.backbones.info import Abilities, HeadActivation
from gptcore.errors import UserError
from gptcore.schema import Part

Activation = Literal[
    "gelu_new", "gelu", "relu", "relu6", "silu", "mish", "hardswish", "leaky_relu", "tanh", "sigmoid"
]


class ModelConfig(Part):
    """Shape of a GPT-2 style decoder (Radford et al. 2019), in the field's usual names.

    Defaults are those shared by all four GPT-2 sizes. Raises pydantic's ValidationError on a bad value.

    n_inner: width of the MLP, None for 4 d_model; activation: in the MLP ("gelu_new" is GELU's tanh approximation);
    scale_attn_weights: attention scores are divided by sqrt(d_head); scale_attn_by_inverse_layer_idx: and by the
    number of the block, counted from 1; tokenizer: "gpt2" and "embedded" (the bundled models') are vocabularies known
    by name, "own" lies in the checkpoint's folder.
    """

    d_model: int = Field(gt=0)
    n_layer: int = Field(gt=0)
    n_head: int = Field(gt=0)
    context: int = Field(default=1024, gt=0)
    vocab_size: int = Field(default=50257, gt=0)
    layer_norm_epsilon: float = Field(default=1e-5, gt=0)
    tie_output: bool = True
    tokenizer: Literal["gpt2", "embedded", "own"] = "gpt2"
    n_inner: int | None = Field(default=None, gt=0)
    activation: Activation = "gelu_new"
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False

    @field_validator("n_head")
    @classmethod
    def _heads_divide_width(cls, n_head: int, info: ValidationInfo) -> int:
        d_model = info.data.get("d_model")
        if d_model is not None and d_model % n_head:
            raise ValueError(f"n_head={n_head} does not divide d_model={d_model}")
        return n_head

    @property
    def d_head(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_head

    @property
    def n_blocks(self) -> int:
        """The field's name for n_layer; see `BackboneInfo`."""
        return self.n_layer

    @property
    def width(self) -> int:
        """The field's name for d_model; see `BackboneInfo`."""
        return self.d_model

    @property
    def identity(self) -> str:
        """The whole config as text."""
        return self.model_dump_json()

    @property
    def head_activation(self) -> HeadActivation:
        """In the hidden layer of a class head: GPT-2's own classifier has none."""
        return "gelu"

    @property
    def abilities(self) -> Abilities:
        """A GPT-2 allows every rewrite."""
        return Abilities()

    def with_blocks(self, n: int) -> ModelConfig:
        """The same architecture with that many blocks."""
        return self.model_copy(update={"n_layer": n})

    @property
    def d_mlp(self) -> int:
        """Width of the MLP."""
        return 4 * self.d_model if self.n_inner is None else self.n_inner

    def score_divisor(self, layer: int) -> float:
        """What block `layer`, counted from 0, divides its attention scores by."""
        divisor = math.sqrt(self.d_head) if self.scale_attn_weights else 1.0
        return divisor * (layer + 1) if self.scale_attn_by_inverse_layer_idx else divisor

    @property
    def n_block_params(self) -> int:
        """Parameters of one block: two norms (4 d), attention (4 d^2 + 4 d) and MLP (2 d d_mlp + d_mlp + d)."""
        d = self.d_model
        return 4 * d * d + 9 * d + 2 * d * self.d_mlp + self.d_mlp

    @property
    def n_params(self) -> int:
        """Parameters of the language model; a tied output layer counts once."""
        embeddings = (self.vocab_size + self.context) * self.d_model
        output = 0 if self.tie_output else self.vocab_size * self.d_model
        return embeddings + self.n_layer * self.n_block_params + 2 * self.d_model + output


class ModelEntry(BaseModel):
    """A model known by name: its shape, where its weights come from, and one line for `bench list`."""

    model_config = ConfigDict(frozen=True)

    config: ModelConfig
    source: str  # "bundled", or a hub id
    about: str


def _bundled(d_model: int, n_layer: int, about: str) -> ModelEntry:
    # Heads of width 32 at every size, so that the sizes differ in width and depth only.
    config = ModelConfig(
        d_model=d_model,
        n_layer=n_layer,
        n_head=d_model // 32,
        context=256,
        vocab_size=8192,
        tokenizer="embedded",
    )
    return ModelEntry(config=config, source="bundled", about=about)


def _gpt2(name: str, d_model: int, n_layer: int, n_head: int) -> ModelEntry:
    known = CATALOGUE[name]
    config = ModelConfig(d_model=d_model, n_layer=n_layer, n_head=n_head)
    return ModelEntry(config=config, source=known.hub or "", about=known.line)


# With 8,192 tokens the embedding is more than half of the smaller models. Depth 4 to 6 leaves
# `last_block`, `last_two_blocks` and `all` three really different choices at every size.
REGISTRY: dict[str, ModelEntry] = {
    "nano": _bundled(64, 4, "0.7M parameters, 4 blocks of width 64, ships with the package"),
    "micro": _bundled(128, 4, "1.9M parameters, 4 blocks of width 128, ships with the package"),
    "mini": _bundled(192, 6, "4.3M parameters, 6 blocks of width 192, ships with the package"),
    "gpt2": _gpt2("gpt2", 768, 12, 12),
    "gpt2-medium": _gpt2("gpt2-medium", 1024, 24, 16),
    "gpt2-large": _gpt2("gpt2-large", 1280, 36, 20),
    "gpt2-xl": _gpt2("gpt2-xl", 1600, 48, 25),
}

FORMER_FAMILIES = {"embedded": "bundled"}  # names that options and matrix files may still use
FAMILIES: dict[str, tuple[str, ...]] = {
    "bundled": ("nano", "micro", "mini"),
    "gpt2": ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"),
}


def model_entry(name: str) -> ModelEntry:
    """The registry's entry of that name. Raises UserError for an unknown name, listing the known ones."""
    if name not in REGISTRY:
        raise UserError(
            f"model {name!r} is not known: use one of {', '.join(REGISTRY)}, or a folder with a checkpoint"
        )
    return REGISTRY[name]
