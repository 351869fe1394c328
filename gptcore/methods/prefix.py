"""Prefix tuning: keys and values that are learned in every block, and leave the model as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from gptcore.errors import UserError
from gptcore.methods.base import Method, PeftForm

if TYPE_CHECKING:
    import torch

    from gptcore.backbones.base import Backbone
    from gptcore.methods.adapter import Adapter


class Prefix(Method):
    """Prefix tuning (Li and Liang 2021): n keys and values of each block, which every position sees beside the text's.

    They start as those of n tokens of the vocabulary, drawn at random, as a text of their own (section 7.4 of the
    paper: words start better than noise). They take no positions and no room in the context: texts stand where they
    would without them. top: only of so many upper blocks; those below are then computed once.
    """

    kind: ClassVar[str] = "prefix"
    adds_keys: ClassVar[bool] = True

    n: int = Field(default=20, ge=1, le=10_000, description="keys and values in each block")
    top: int | None = Field(default=None, ge=1, description="only the upper k blocks; None: all")

    def frozen_below(self, n_blocks: int) -> int:
        """The blocks below the upper ones that have prefixes."""
        return 0 if self.top is None else max(0, n_blocks - self.top)

    def as_peft(self) -> PeftForm | str:
        """There, prefixes take the first positions, and texts begin behind them."""
        return f"train = {self.kind!r}: peft's prefixes move the positions of the text, ours do not: use --to onnx"

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        """Give the attention of the upper blocks prefixes. Raises UserError where n is more than the model reads."""
        from gptcore.methods.prefix_layers import attach_prefixes

        if self.n > backbone.info.context:
            raise UserError(
                f"prefix: n = {self.n}: they start as a text, and the model reads {backbone.info.context} tokens: "
                "use fewer"
            )
        backbone.requires_grad_(False)
        return attach_prefixes(backbone, self.n, self.frozen_below(len(backbone.blocks)), generator)


PREFIXES: tuple[type[Method], ...] = (Prefix,)
