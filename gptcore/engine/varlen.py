"""Attention over rows that lie end to end, each seeing itself alone: torch's kernel for GPUs, where it serves.

torch calls it a prototype, so the installed one is asked for its arguments, and tried on each card before it is used.
Where it does not serve, rows are padded again for the attention.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

HALVES = (torch.bfloat16, torch.float16)
LARGEST_HEAD = 256
OLDEST_CARD = (8, 0)  # Ampere
EVERYTHING, CAUSAL = (-1, -1), (-1, 0)  # keys seen to the left and to the right; -1: all
TRIED_LENGTHS = (3, 1, 4)
TRIED_TOLERANCE = 0.05  # bfloat16 keeps 8 bits


def takes(q: Tensor, k: Tensor) -> bool:
    """Whether the kernel computes attention for q (N, n_head, d_head) and k of that shape."""
    halves = q.is_cuda and q.dtype == k.dtype and q.dtype in HALVES
    fits = q.shape == k.shape and q.shape[-1] % 8 == 0 and q.shape[-1] <= LARGEST_HEAD
    return halves and fits and serves(q.device, q.dtype, q.shape[-1])


def attend(
    q: Tensor, k: Tensor, v: Tensor, starts: Tensor, longest: int, causal: bool, divisor: float
) -> Tensor:
    """q, k, v (N, n_head, d_head) of rows that begin at `starts` (B + 1,) int32 -> what every head sees, in that shape.

    longest: positions in a row, at most; divisor: of the scores.
    """
    run = kernel()
    assert run is not None
    window = CAUSAL if causal else EVERYTHING
    found: Tensor = run(q, k, v, starts, starts, longest, longest, scale=1 / divisor, window_size=window)
    return found


@cache
def kernel() -> Callable[..., Any] | None:
    """torch's function, where the installed one has it with the arguments that are needed."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    known = inspect.signature(varlen_attn).parameters
    return varlen_attn if {"scale", "window_size"} <= known.keys() else None


@cache
@torch.no_grad()
def serves(device: torch.device, dtype: torch.dtype, d_head: int) -> bool:
    """Whether the kernel gives, on this device, what each row alone gives: three short rows are tried."""
    if kernel() is None or torch.cuda.get_device_capability(device) < OLDEST_CARD:
        return False
    generator = torch.Generator(device).manual_seed(0)
    shape = (sum(TRIED_LENGTHS), 2, d_head)
    q, k, v = (torch.randn(shape, generator=generator, device=device).to(dtype) for _ in range(3))
    lengths = torch.tensor((0, *TRIED_LENGTHS), dtype=torch.int32, device=device)
    starts = lengths.cumsum(dim=0, dtype=torch.int32)
    for causal in (True, False):
        try:
            found = attend(q, k, v, starts, max(TRIED_LENGTHS), causal, 2.0)
        except RuntimeError:  # not built for this card
            return False
        rows = [_alone(row, causal) for row in zip(*(t.split(TRIED_LENGTHS) for t in (q, k, v)), strict=True)]
        expected = torch.cat(rows)
        if not float((found.float() - expected).norm() / expected.norm()) < TRIED_TOLERANCE:
            return False
    return True


def _alone(row: tuple[Tensor, ...], causal: bool) -> Tensor:
    """One row's q, k, v (T, n_head, d_head) -> (T, n_head, d_head) in float32."""
    q, k, v = (t.float().transpose(0, 1) for t in row)
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=1 / 2.0).transpose(0, 1)
