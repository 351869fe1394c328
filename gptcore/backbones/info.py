"""What is known of a backbone from its config alone. Imports no torch, so that planning can ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

HeadActivation = Literal["gelu", "relu", "tanh"]


@dataclass(frozen=True)
class Abilities:
    """What an architecture does, and which rewrites of a forward pass it allows. The defaults are those of a GPT-2.

    causal:        it was pretrained with the causal mask.
    own_attention: its attention is a function that can be replaced, so that the engines decide who sees whom, rows
                   may be packed, and the last block may compute the positions that are read alone.
    one_pad:       a pad token right after the text, with the position of the last column, is what it would be there.
    trunk:         blocks can be computed up to any one, and from any one.
    packed, reads: rows without padding end to end, and the read positions alone, give the same states.
    turns:         it can be given the other mask: a decoder sees both ways, an encoder only what is on the left.
    """

    causal: bool = True
    own_attention: bool = True
    one_pad: bool = True
    trunk: bool = True
    packed: bool = True
    reads: bool = True
    turns: bool = True


class BackboneInfo(Protocol):
    """Shape and vocabulary of a backbone.

    n_blocks: transformer blocks; width: of a hidden state; d_mlp: of the MLP between its layers; context: positions
    that a row may have; vocab_size: rows of the token embedding; n_params: of the language model; n_block_params: of
    one block; head_activation: in the hidden layer of a class head; tokenizer: name of its vocabulary; identity: the
    whole config as text: backbones of equal identity and weights make the same of the same rows.
    """

    @property
    def n_blocks(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def d_mlp(self) -> int: ...
    @property
    def context(self) -> int: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def n_params(self) -> int: ...
    @property
    def n_block_params(self) -> int: ...
    @property
    def head_activation(self) -> HeadActivation: ...
    @property
    def tokenizer(self) -> str: ...
    @property
    def identity(self) -> str: ...
    @property
    def abilities(self) -> Abilities: ...
    def with_blocks(self, n: int) -> BackboneInfo:
        """The same architecture with that many blocks."""
