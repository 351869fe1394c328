"""Methods that train layers of the backbone as they are: the head alone, the upper blocks, or everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from gptcore.methods.base import Method

if TYPE_CHECKING:
    import torch

    from gptcore.backbones.base import Backbone
    from gptcore.methods.adapter import Adapter


class TopBlocks(Method):
    """The head, and with k > 0 the last k blocks and the final norm, as published."""

    kind: ClassVar[str] = "top_blocks"

    k: int = Field(ge=0, description="blocks that learn, from the top")

    def frozen_below(self, n_blocks: int) -> int:
        """All but the last k blocks."""
        return max(0, n_blocks - self.k)

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        """Mark the last k blocks and what follows them."""
        from gptcore.methods.adapter import Adapter

        del generator
        backbone.requires_grad_(False)
        if self.k:
            backbone.blocks[self.frozen_below(len(backbone.blocks)) :].requires_grad_(True)
            backbone.tail.requires_grad_(True)
        return Adapter()


class All(Method):
    """Everything learns."""

    kind: ClassVar[str] = "all"
    trains_embedding: ClassVar[bool] = True

    @property
    def sharding_obstacle(self) -> None:
        """None: several processes give what one gives."""

    def frozen_below(self, n_blocks: int) -> int:
        """No block stays as it is."""
        del n_blocks
        return 0

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        """Mark every parameter."""
        from gptcore.methods.adapter import Adapter

        del generator
        backbone.requires_grad_(True)
        return Adapter()


class Features(Method):
    """Nothing learns in the backbone; a logistic regression is fitted to what the head would read."""

    kind: ClassVar[str] = "features"
    trainer: ClassVar[Literal["network", "features"]] = "features"

    def frozen_below(self, n_blocks: int) -> int:
        """All blocks stay as they are."""
        return n_blocks

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        """Mark nothing."""
        return TopBlocks(k=0).attach(backbone, generator)
