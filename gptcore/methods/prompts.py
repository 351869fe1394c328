"""Methods that learn a few vectors that stand before every text, and leave the model as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from gptcore.methods.base import Method, PeftForm

if TYPE_CHECKING:
    import torch

    from gptcore.backbones.base import Backbone
    from gptcore.methods.adapter import Adapter


class Prompt(Method):
    """Prompt tuning (Lester et al. 2021): n vectors in the place of token embeddings, before every text.

    They start as the embeddings of n tokens of the vocabulary, drawn at random. They stand next to the text, behind
    padding on the left, and before special tokens such as [CLS].
    """

    kind: ClassVar[str] = "prompt"

    n: int = Field(default=20, ge=1, le=10_000, description="prompt tokens")

    @property
    def n_prompt(self) -> int:
        """As many as it learns."""
        return self.n

    def as_peft(self) -> PeftForm | str:
        """The same is there, and gives other answers in a batch."""
        return (
            f"train = {self.kind!r} puts vectors before a text, and given vectors, the heads of transformers read the "
            "last column of a batch, padding or not: use --to onnx"
        )

    def frozen_below(self, n_blocks: int) -> int:
        """Every block sees the prompt."""
        del n_blocks
        return 0

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        """Put an embedding that knows the prompt in the place of the model's."""
        from gptcore.methods.adapter import Adapter
        from gptcore.methods.prompt_layers import PromptEmbedding, Vectors

        backbone.requires_grad_(False)
        vectors = Vectors.drawn_from(backbone.embedding, self.n, generator)
        backbone.set_embedding(PromptEmbedding(backbone.embedding, vectors))
        return Adapter()


class PTuning(Prompt):
    """P-tuning (Liu et al. 2021): the prompt's vectors are the outputs of a small network, which learns with them.

    hidden: width of its two inner layers; None: the model's.
    """

    kind: ClassVar[str] = "p_tuning"

    hidden: int | None = Field(default=None, ge=1)

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        """Put an embedding that knows the prompt in the place of the model's."""
        from gptcore.methods.adapter import Adapter
        from gptcore.methods.prompt_layers import Encoded, PromptEmbedding, Vectors

        backbone.requires_grad_(False)
        vectors = Vectors.drawn_from(backbone.embedding, self.n, generator)
        encoder = Encoded(vectors, self.hidden or backbone.info.width, generator)
        backbone.set_embedding(PromptEmbedding(backbone.embedding, encoder))
        return Adapter()


PROMPTS: tuple[type[Method], ...] = (Prompt, PTuning)
