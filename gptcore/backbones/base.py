"""What a model must offer to be fine-tuned here: to run rows from where they stand to where they are wanted.

Three seams carry every rewrite and every method: the range of blocks, the attention function, and the output of the
embedding. `gptcore.engine.attention` has the attention function that the engines use; this module has its interface.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcore.backbones.info import BackboneInfo
from gptcore.data.rows import Rows

KeysAndValues = tuple[Tensor, Tensor]  # each (n, n_head, d_head)


class Attend(Protocol):
    """The attention function of one forward pass, and what it alone knows of the rows.

    Hidden states are (B, T, D); between `pack` and `unpack` they may be (N, D), the N positions that matter laid end to
    end, and so may be what the function is called with.
    """

    @property
    def causal(self) -> bool:
        """Whether a position sees itself and what is left of it alone."""

    @property
    def real(self) -> Tensor | None:
        """(B, T) bool, False where padding is that must not be seen; None: everything may be seen."""

    @property
    def positions(self) -> Tensor | None:
        """Position of every token (B, T) int64; None for 0 .. T-1."""

    def at(self, block: int) -> Attend:
        """The attention function of block number `block`."""

    def pack(self, x: Tensor) -> Tensor:
        """x (B, T, D) -> the same, or (N, D)."""

    def unpack(self, x: Tensor) -> Tensor:
        """What `pack` gave -> (B, T, D), zero at positions that were left out."""

    def __call__(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        divisor: float,
        read: Tensor | None = None,
        window: int | None = None,
        softcap: float | None = None,
        prefix: KeysAndValues | None = None,
    ) -> Tensor:
        """q, k, v (B, T or packed N, n_head, d_head) -> what every head sees, in the shape of q.

        divisor: of the scores, usually sqrt(d_head). read: (B, R) int64, the positions that the queries are at: q is
        then (B, R, n_head, d_head), and nothing is packed. window: positions that are this far apart do not see each
        other; softcap: scores s become softcap tanh(s / softcap). prefix: keys and values (n, n_head, d_head) that
        every position of every row sees as well, however far away.
        """

    def without_keys(
        self, x: Tensor, projection: nn.Module, n_head: int, divisor: float, read: Tensor
    ) -> Tensor | None:
        """The same as projecting x (B, T, D) to q, k and v and calling with `read`, from less work.

        projection: the fused layer (D -> 3 D). None where there is no shorter way; the caller then projects.
        """


class Causal:
    """Attention as a decoder is pretrained with: every position sees itself and what is left of it."""

    causal = True
    real = positions = None

    def at(self, block: int) -> Causal:
        """The same in every block."""
        del block
        return self

    def pack(self, x: Tensor) -> Tensor:
        """x, as nothing is left out."""
        return x

    unpack = pack

    def __call__(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        divisor: float,
        read: Tensor | None = None,
        window: int | None = None,
        softcap: float | None = None,
        prefix: KeysAndValues | None = None,
    ) -> Tensor:
        """See `Attend`. Without windows and caps, which the model that it is for does not have, and prefixes."""
        if window is not None or softcap is not None or prefix is not None:
            raise NotImplementedError("the plain causal mask has neither windows, caps nor prefixes")
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        mask = None if read is None else read[:, None, :, None] >= torch.arange(k.shape[2], device=k.device)
        attend = partial(F.scaled_dot_product_attention, attn_mask=mask, is_causal=mask is None)
        return attend(q, k, v, scale=1 / divisor).transpose(1, 2)

    def without_keys(self, *_: object) -> None:
        """There is no shorter way."""


CAUSAL = Causal()


class Backbone(nn.Module):
    """A pretrained model without its output layer: embeddings, a list of blocks, and what follows them.

    info: what its config says; blocks: what a trunk is counted in; tail: the final norm; notes: what loading
    its checkpoint left out; rewrites: of its forward pass, "on" or why not, by name, where they had to be tried out;
    reentrant: whether several threads may compute it at once.
    """

    info: BackboneInfo
    notes: tuple[str, ...] = ()
    rewrites: Mapping[str, str] = MappingProxyType({})
    reentrant: bool = True

    @property
    @abstractmethod
    def blocks(self) -> nn.ModuleList:
        """The blocks, from the bottom."""

    @property
    @abstractmethod
    def tail(self) -> nn.Module:
        """What hidden states pass after the blocks: the final norm."""

    @property
    @abstractmethod
    def embedding(self) -> nn.Embedding:
        """The token embedding."""

    @abstractmethod
    def set_embedding(self, embedding: nn.Embedding) -> None:
        """Put another token embedding in its place."""

    @abstractmethod
    def drop_output(self) -> None:
        """Let go of a language-model output layer of its own, as a classifier has another head."""

    @abstractmethod
    def keys_and_values(self, tokens: Tensor, attend: Attend) -> list[tuple[nn.Module, KeysAndValues]]:
        """tokens (T,) int64, a row without padding -> what each block's attention makes of it, from the bottom.

        A module of the block that calls the attention function, and looks for a `prefix` of its own: a module without
        arguments that gives keys and values; and the row's own keys and values, each (T, n_head, d_head), of fewer
        heads where several queries share them.
        """

    @abstractmethod
    def run(
        self, rows: Rows, attend: Attend, *, stop: int | None = None, read: Tensor | None = None
    ) -> Tensor:
        """Rows from where they stand to the hidden states before block `stop`, or else through the tail.

        rows: tokens, or states before block `rows.depth`. read: (B, R) int64: only these positions are wanted of the
        last block that runs. Returns (B, T or R, width).
        """


def gather_positions(x: Tensor, read: Tensor) -> Tensor:
    """x (B, T, ...), read (B, R) int64 -> (B, R, ...)."""
    index = read.view(*read.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
    return x.gather(1, index)
