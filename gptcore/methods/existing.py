"""Methods that train a few kinds of parameters that the blocks have already: norms, or biases."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from gptcore.errors import UserError
from gptcore.methods.base import Method, PeftForm

if TYPE_CHECKING:
    import torch
    from torch import nn

    from gptcore.backbones.base import Backbone
    from gptcore.backbones.layer_names import BlockLayers
    from gptcore.methods.adapter import Adapter


class Existing(Method):
    """Some parameters of the blocks and of the final norm, `called` so. top: only of so many upper blocks."""

    called: ClassVar[str]

    top: int | None = Field(default=None, ge=1, description="only the upper k blocks; None: all")

    def frozen_below(self, n_blocks: int) -> int:
        """The blocks below the upper ones."""
        return 0 if self.top is None else max(0, n_blocks - self.top)

    @property
    def none_there(self) -> str:
        """Said of a model without them."""
        return f"train = {self.kind!r}: the blocks of this model have no {self.called}: use another method"

    def chosen(self, part: nn.Module) -> list[nn.Parameter]:
        """Those parameters of a part that learn."""
        raise NotImplementedError

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        """Mark them. Raises UserError where the lowest block that should learn has none."""
        from gptcore.methods.adapter import Adapter

        del generator
        backbone.requires_grad_(False)
        for block in backbone.blocks[self.frozen_below(len(backbone.blocks)) :]:
            found = self.chosen(block)
            if not found:
                raise UserError(self.none_there)
            for parameter in found:
                parameter.requires_grad_(True)
        for parameter in self.chosen(backbone.tail):
            parameter.requires_grad_(True)
        return Adapter()


class LnTuning(Existing):
    """The norms (Qi et al. 2022; Zhao et al. 2024)."""

    kind: ClassVar[str] = "ln_tuning"
    called: ClassVar[str] = "norms"

    def chosen(self, part: nn.Module) -> list[nn.Parameter]:
        """Of every module that calls itself a norm."""
        norms = [module for module in part.modules() if type(module).__name__.endswith("Norm")]
        return [parameter for norm in norms for parameter in norm.parameters()]

    def as_peft(self) -> PeftForm | str:
        """The same there."""
        return PeftForm("LNTuningConfig", {})


class BitFit(Existing):
    """The biases (Ben Zaken et al. 2022)."""

    kind: ClassVar[str] = "bitfit"
    called: ClassVar[str] = "biases"

    def obstacle(self, blocks: BlockLayers) -> str | None:
        """A block without any."""
        numbers = {name.partition(".")[0] for name in blocks.linear}
        learns = sorted(numbers, key=int)[self.frozen_below(len(numbers)) :]
        there = {name.partition(".")[0] for name in blocks.biases}
        return None if there.issuperset(learns) else self.none_there

    def chosen(self, part: nn.Module) -> list[nn.Parameter]:
        """Every parameter that is called bias."""
        return [p for name, p in part.named_parameters() if name.rpartition(".")[2] == "bias"]


EXISTING: tuple[type[Method], ...] = (LnTuning, BitFit)
