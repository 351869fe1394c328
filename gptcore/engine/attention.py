"""The attention function of the engines: who sees whom, rows without their padding, positions that are read.

Everything of attention that is not a weight is here, for every backbone; see `gptcore.backbones.base.Attend`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcore.backbones.base import KeysAndValues, gather_positions
from gptcore.data.rows import moved
from gptcore.engine import varlen


@dataclass(frozen=True)
class Packing:
    """The N real positions of B rows that are padded to T columns on the right.

    index: (N,) int64, where each stands in the rows laid end to end; starts: (B + 1,) int32, where each row begins
    among the N, and N; shape: (B, T).
    """

    index: Tensor
    starts: Tensor
    shape: tuple[int, int]

    @classmethod
    def of(cls, real: Tensor, device: torch.device | None = None) -> Packing:
        """The packing of rows (B, T) bool, True where a position is not padding.

        device: of the rows, by default that of `real`. Nothing waits for a GPU where `real` is on the CPU.
        """
        index = real.flatten().nonzero()[:, 0]
        starts = F.pad(real.sum(dim=1).cumsum(dim=0), (1, 0)).to(torch.int32)
        where = real.device if device is None else device
        return cls(moved(index, where), moved(starts, where), (real.shape[0], real.shape[1]))

    def pack(self, x: Tensor) -> Tensor:
        """x (B, T, ...) -> (N, ...)."""
        return x.flatten(0, 1).index_select(0, self.index)

    def unpack(self, x: Tensor) -> Tensor:
        """x (N, ...) -> (B, T, ...), zero where padding is."""
        (B, T), rest = self.shape, x.shape[1:]
        return x.new_zeros(B * T, *rest).index_copy(0, self.index, x).view(B, T, *rest)


@dataclass(frozen=True)
class RowAttention:
    """Which positions of a batch of rows may attend to which, and how that is computed.

    causal: a position sees itself and what is left of it; otherwise it sees the whole row.
    real:   (B, T) bool, False where a key is padding that must not be seen; None: everything may be seen.
    packing: how rows that are padded on the right, where nothing may see padding, lie one after the other.
    positions: (B, T) int64 of the tokens; None for 0 .. T-1.
    causal_below: blocks from the bottom in which it is causal, whatever it is above them.
    """

    causal: bool = True
    real: Tensor | None = None
    packing: Packing | None = None
    positions: Tensor | None = None
    causal_below: int = 0

    def at(self, block: int) -> RowAttention:
        """The same in block number `block`."""
        return replace(self, causal=True) if block < self.causal_below and not self.causal else self

    def pack(self, x: Tensor) -> Tensor:
        """x (B, T, D) -> the real positions (N, D), where rows are packed."""
        return x if self.packing is None else self.packing.pack(x)

    def unpack(self, x: Tensor) -> Tensor:
        """What `pack` gave -> (B, T, D)."""
        return x if self.packing is None else self.packing.unpack(x)

    def mask(
        self, n_keys: int, read: Tensor | None, device: torch.device, window: int | None = None
    ) -> Tensor | None:
        """Boolean mask, True where attention is allowed, (B or 1, 1, n_queries, n_keys); None: all allowed.

        read: (B, R) int64 columns of the queries, None for every column. window: positions, not columns, that are this
        far apart do not see each other.
        """
        if self.real is None and not self.causal and window is None:
            return None
        keys = torch.arange(n_keys, device=device)
        queries = keys[None] if read is None else read  # (1 or B, R)
        own = queries[:, :, None] == keys  # (1 or B, R, T)
        allowed = queries[:, :, None] >= keys if self.causal else torch.ones_like(own)
        if window is not None:
            at = keys[None] if self.positions is None else self.positions  # (1 or B, T)
            asked = at if read is None else gather_positions(at.expand(len(read), -1), read)
            allowed = allowed & ((asked[:, :, None] - at[:, None, :]).abs() < window)
        if self.real is not None:
            # A query always sees itself: left of the first real token there is nothing else, and a
            # softmax over nothing is NaN.
            allowed = allowed & self.real[:, None, :] | own
        return allowed[:, None]

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
        """q, k, v (B, T, n_head, d_head), packed (N, n_head, d_head) -> what every head sees, in the shape of q.

        divisor: of the scores. read: (B, R) int64, the columns that the queries q (B, R, n_head, d_head) are at, of
        rows that are not packed. window, softcap, prefix: see `Attend`.
        """
        width = k.shape[1] if self.packing is None or read is not None else self.packing.shape[1]
        if window is not None and self.positions is None and width <= window:
            window = None  # no two positions are that far apart
        if self.packing is not None and read is None:
            if window is None and softcap is None and prefix is None and varlen.takes(q, k):
                return varlen.attend(
                    q, k, v, self.packing.starts, self.packing.shape[1], self.causal, divisor
                )
            # Attention itself sees padded rows: for 134 tokens it is 3% of a block's arithmetic on 124M.
            q, k, v = (self.packing.unpack(t) for t in (q, k, v))
            return self.packing.pack(self._padded(q, k, v, divisor, None, window, softcap, prefix))
        return self._padded(q, k, v, divisor, read, window, softcap, prefix)

    def _padded(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        divisor: float,
        read: Tensor | None,
        window: int | None,
        softcap: float | None,
        prefix: KeysAndValues | None,
    ) -> Tensor:
        """q (B, R or T, n_head, d_head), k, v (B, T, n_head, d_head) -> (B, R or T, n_head, d_head)."""
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        is_causal = self.causal and all(each is None for each in (self.real, read, window, softcap, prefix))
        mask = None if is_causal else self.mask(k.shape[2], read, k.device, window)
        if prefix is not None:
            k, v = (
                torch.cat([p.to(t.dtype).transpose(0, 1).expand(len(t), -1, -1, -1), t], dim=2)
                for p, t in zip(prefix, (k, v), strict=True)
            )
            mask = None if mask is None else F.pad(mask, (len(prefix[0]), 0), value=True)
        if softcap is not None:
            return _capped(q, k, v, divisor, softcap, mask)
        attention = partial(
            F.scaled_dot_product_attention, attn_mask=mask, is_causal=is_causal, scale=1 / divisor
        )
        if q.device.type == "cpu" and (q.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")):
            # The CPU kernel is slower in bfloat16 than in float32, its backward pass three times (docs/log.md).
            # Rotated q and k are float32, and autocast would round them for that kernel.
            with torch.autocast("cpu", enabled=False):
                return attention(q.float(), k.float(), v.float()).transpose(1, 2)
        return attention(q, k, v).transpose(1, 2)

    def without_keys(
        self, x: Tensor, projection: nn.Module, n_head: int, divisor: float, read: Tensor
    ) -> Tensor | None:
        """x (B, T, D), read (B, R) -> what the heads see at R positions (B, R, n_head, d_head), without any key.

        projection: the fused layer D -> 3 D. None where it does more than multiply by one weight. With W_k, W_v a
        head's rows of it,

            q . (W_k x_j + b_k) = (q W_k) . x_j + q . b_k      sum_j p_j (W_v x_j + b_v) = W_v (sum_j p_j x_j) + b_v

        so a position costs 4 n_head D operations instead of 4 D^2.
        """
        if (found := as_linear(projection)) is None:
            return None
        (B, T, D), R, H = x.shape, read.shape[1], n_head
        w_q, w_k, w_v = found[0].split(D)  # each (D, D)
        b_q, b_k, b_v = found[1].split(D)
        q = F.linear(gather_positions(x, read), w_q, b_q).view(B, R, H, D // H)
        # (B, R * n_head, D)
        q_x = torch.einsum("brhd,hdc->brhc", q, w_k.view(H, D // H, D)).flatten(1, 2)
        scores = (q_x @ x.transpose(1, 2)).view(B, R, H, T) + (q * b_k.view(H, -1)).sum(3, keepdim=True)
        scores = scores / divisor
        mask = self.mask(T, read, x.device)  # (B or 1, 1, R, T)
        if mask is not None:
            scores = scores.masked_fill(~mask.transpose(1, 2), -math.inf)
        seen = scores.softmax(dim=3).flatten(1, 2) @ x  # (B, R * n_head, D)
        y = torch.einsum("brhc,hdc->brhd", seen.view(B, R, H, D), w_v.view(H, D // H, D))
        return y.add(b_v.view(H, -1))


def _capped(q: Tensor, k: Tensor, v: Tensor, divisor: float, softcap: float, mask: Tensor | None) -> Tensor:
    """Attention with scores that are squeezed between -softcap and softcap (Gemma 2, section 2.1).

    q, k, v (B, n_head, R or T, d_head), mask as `RowAttention.mask` gives it -> (B, R or T, n_head, d_head).
    """
    scores = softcap * torch.tanh(q @ k.transpose(2, 3) / (divisor * softcap))
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return (scores.softmax(dim=3) @ v).transpose(1, 2)


def as_linear(layer: nn.Module) -> tuple[Tensor, Tensor] | None:
    """Weight and bias of a layer that computes weight x + bias and nothing else, or None.

    An adapter's layer may well have a `weight`, but that of the layer it wraps: one that can say what its adapter and
    that weight make together does so by `effective_linear()`, and no other layer than torch's own is believed.
    """
    if type(layer) is nn.Linear:
        return layer.weight, layer.bias
    effective = getattr(layer, "effective_linear", None)
    found: tuple[Tensor, Tensor] | None = None if effective is None else effective()
    return found
