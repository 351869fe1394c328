"""What a way of fine-tuning is: a value that says how deep it reaches and attaches itself to a backbone.

Imports no torch before something is attached, so that planning can ask a method what it will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import torch

    from gptcore.backbones.base import Backbone
    from gptcore.backbones.layer_names import BlockLayers
    from gptcore.methods.adapter import Adapter

MANY_BLOCKS = (
    10_000  # more than any model has: a method asked about so many says how many upper ones it reaches
)


@dataclass(frozen=True)
class PeftForm:
    """What a method is in the peft library.

    config: the class that configures it; settings: its arguments, but for the layers it is about; from_start: frozen
    weights have given up the start values of the update, so that peft's is the difference to them, of twice the rank.
    """

    config: str
    settings: dict[str, Any]
    from_start: bool = False


class Method(BaseModel):
    """One way of fine-tuning. Its fields are its TOML schema, and its dump is its identity.

    kind: its name in a recipe; trains_embedding: whether the token embedding learns; adds_keys: whether it puts keys
    and values of its own into the blocks' attention; trainer: who fits it, a training loop or a logistic regression on
    what the frozen backbone makes of the texts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: ClassVar[str]
    trains_embedding: ClassVar[bool] = False
    adds_keys: ClassVar[bool] = False
    trainer: ClassVar[Literal["network", "features"]] = "network"

    @property
    def n_prompt(self) -> int:
        """Learned tokens that stand before every text."""
        return 0

    def frozen_below(self, n_blocks: int) -> int:
        """Blocks from the bottom of a model of that many that stay as they are; n_blocks: the final norm does too."""
        raise NotImplementedError

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        """Mark what learns in a backbone, and put in what the method adds, in place.

        generator: of the added parameters' values. Raises UserError where the backbone has no place for them.
        """
        raise NotImplementedError

    def obstacle(self, blocks: BlockLayers) -> str | None:
        """Why it cannot be attached to blocks with these layers, with a remedy; None where it can."""
        del blocks
        return None

    @property
    def sharding_obstacle(self) -> str | None:
        """Why several processes may not train a model together that all of it learns in; None where they may."""
        return "only all and lora were compared with one process"

    def as_peft(self) -> PeftForm | str:
        """The same in the peft library, or why there is none."""
        return f"train = {self.kind!r} adds no layers, so there is no adapter: use --to hf"

    def same_cost(self) -> Self:
        """The method with those fields at fixed values that change neither the time of a step nor its memory."""
        return self

    @property
    def upper_blocks(self) -> int | None:
        """How many blocks, from the top, it changes; None: all of them."""
        frozen = self.frozen_below(MANY_BLOCKS)
        return MANY_BLOCKS - frozen if frozen else None

    @property
    def slug(self) -> str:
        """Its kind, and the fields that have no default, for file names."""
        required = [name for name, field in type(self).model_fields.items() if field.is_required()]
        return "-".join([self.kind, *(str(getattr(self, name)) for name in required)])

    def table(self) -> dict[str, Any]:
        """As a recipe spells it out: its kind as `method`, and the fields that are not at their default.

        So a field that is added later leaves every earlier recipe its id. Never change a default.
        """
        return {"method": self.kind, **self.model_dump(mode="json", exclude_defaults=True)}
