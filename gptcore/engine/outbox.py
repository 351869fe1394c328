"""States on their way from a GPU into rows that lie elsewhere, while the next batch is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

MOST_ON_THE_WAY = 2  # batches: one that arrives, one that follows


class Outbox:
    """Writes batches into `out` (N, T, D), whatever device that is on. All are there after `flush`."""

    def __init__(self, out: Tensor) -> None:
        self._out = out
        self._on_the_way: deque[tuple[Tensor, Callable[[], Tensor]]] = deque()

    def put(self, index: Tensor, states: Tensor) -> None:
        """Write states (B, W, D) to the first W columns of the rows `index` (B,) int64, which is where `out` is."""
        self._on_the_way.append((index, fetch(states, self._out.device)))
        while len(self._on_the_way) > MOST_ON_THE_WAY:
            self._write()

    def flush(self) -> None:
        """Wait for what is on the way."""
        while self._on_the_way:
            self._write()

    def _write(self) -> None:
        index, arrive = self._on_the_way.popleft()
        states = arrive()
        self._out[index, : states.shape[1]] = states


def fetch(tensor: Tensor, device: torch.device) -> Callable[[], Tensor]:
    """Start to copy a tensor to a device; the function that waits for it and returns it."""
    if not (tensor.is_cuda and device.type == "cpu"):
        there = tensor.to(device)
        return lambda: there
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    host.copy_(tensor, non_blocking=True)
    done = torch.cuda.Event()
    done.record()

    def arrive() -> Tensor:
        done.synchronize()
        return host

    return arrive
