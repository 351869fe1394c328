"""LoRA (Hu et al. 2021) as a method: which layers get an update of low rank. The layers are in `lora_layers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field

from gptcore.methods.base import Method, PeftForm
from gptcore.methods.targets import NO_BIASES, is_target, unmatched

if TYPE_CHECKING:
    import torch

    from gptcore.backbones.base import Backbone
    from gptcore.backbones.layer_names import BlockLayers
    from gptcore.methods.adapter import Adapter


Scaling = Literal["alpha/rank", "alpha", "alpha/sqrt(rank)"]


class Lora(Method):
    """Frozen linear layers of the blocks with a trained low-rank update each.

    scaling: of the update, "alpha/rank" as in the paper, "alpha" as in the published study, "alpha/sqrt(rank)" as in
    rank-stabilised LoRA (Kalajdzievski 2023); top: only of so many upper blocks, so that those below are computed once;
    bias: which biases learn too, as in peft: none, those of the layers with an update, or all of these blocks.
    """

    kind: ClassVar[str] = "lora"

    rank: int = Field(default=16, ge=1)
    alpha: float = Field(default=16, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[str, ...] = Field(default=("c_attn", "c_proj", "c_fc"), min_length=1)
    scaling: Scaling = Field(default="alpha", description="'alpha' as published")
    top: int | None = Field(default=None, ge=1, description="only the upper k blocks; None: all")
    bias: Literal["none", "lora_only", "all"] = "none"

    def frozen_below(self, n_blocks: int) -> int:
        """The blocks below the upper ones that have updates."""
        return 0 if self.top is None else max(0, n_blocks - self.top)

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        """Put an adapter on each layer that a target names. Raises UserError for a target that names none."""
        from gptcore.methods.lora_layers import LoraAdapter, inject_lora, train_biases

        backbone.requires_grad_(False)
        blocks = backbone.blocks[self.frozen_below(len(backbone.blocks)) :]
        inject_lora(blocks, **self.model_dump(exclude={"top", "bias"}), generator=generator)
        if self.bias != "none":
            train_biases(blocks, backbone.tail, only_with_update=self.bias == "lora_only")
        return LoraAdapter(backbone)

    def obstacle(self, blocks: BlockLayers) -> str | None:
        """Targets that name no layer, such as those of another architecture, and biases that should learn."""
        if (problem := unmatched(self.targets, list(blocks.linear))) is not None or self.bias == "none":
            return problem
        wrapped = {f"{name}.bias" for name in blocks.linear if is_target(name, self.targets)}
        return None if blocks.biases & (wrapped if self.bias == "lora_only" else blocks.biases) else NO_BIASES

    @property
    def sharding_obstacle(self) -> str | None:
        """Dropout, which draws its numbers in each process."""
        return (
            "its dropout would draw other numbers than in one process: set it to 0" if self.dropout else None
        )

    def as_peft(self) -> PeftForm | str:
        """LoRA there, which divides alpha by the rank."""
        from gptcore.methods.lora_layers import scale_of

        scale = scale_of(self.alpha, self.rank, self.scaling)
        update = {"r": self.rank, "lora_alpha": scale * self.rank, "lora_dropout": self.dropout}
        return PeftForm("LoraConfig", update | {"bias": self.bias})

    def same_cost(self) -> Self:
        """alpha and scaling are factors of the update, whatever they are."""
        return self.model_copy(update={"alpha": 1.0, "scaling": "alpha/rank"})
