"""LoRA (Hu et al. 2021) as a method: which layers get an update of low rank. The layers are in `lora_layers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field

from gptcore.methods.base import Method
from gptcore.methods.targets import unmatched

if TYPE_CHECKING:
    import torch

    from gptcore.backbones.base import Backbone
    from gptcore.methods.adapter import Adapter


class Lora(Method):
    """Frozen linear layers of all blocks with a trained low-rank update each."""

    kind: ClassVar[str] = "lora"

    rank: int = Field(default=16, ge=1)
    alpha: float = Field(default=16, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[str, ...] = Field(default=("c_attn", "c_proj", "c_fc"), min_length=1)
    scaling: Literal["alpha/rank", "alpha"] = Field(default="alpha", description="'alpha' as published")

    def frozen_below(self, n_blocks: int) -> int:
        """No block computes what it did."""
        del n_blocks
        return 0

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        """Put an adapter on each layer that a target names. Raises UserError for a target that names none."""
        from gptcore.methods.lora_layers import LoraAdapter, inject_lora

        backbone.requires_grad_(False)
        inject_lora(backbone, **self.model_dump(), generator=generator)
        return LoraAdapter(backbone)

    def obstacle(self, linear_layers: Sequence[str]) -> str | None:
        """Targets that name no layer, such as those of another architecture."""
        return unmatched(self.targets, linear_layers)

    def same_cost(self) -> Self:
        """alpha and scaling are factors of the update, whatever they are."""
        return self.model_copy(update={"alpha": 1.0, "scaling": "alpha/rank"})
