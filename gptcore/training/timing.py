"""Where the time goes: named phases on a monotonic clock that add up, and the peak of memory.

A device of None is one that needs no torch, which this module imports for a GPU only.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import psutil

if TYPE_CHECKING:
    import torch

SAMPLE_EVERY_S = 0.02


class Phases:
    """Seconds by name. Phases do not nest; `other` is what none of them covers, so that all add up to total."""

    def __init__(self, device: torch.device | None) -> None:
        self.device, self._cuda = device, _cuda(device)
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count the block's time under `name`; the device is synchronised at both edges."""
        self._synchronise()
        began = time.perf_counter()
        try:
            yield
        finally:
            self._synchronise()
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def finish(self) -> dict[str, float]:
        """Seconds by phase with the remainder as `other`; their sum is the time since this object was made."""
        total = time.perf_counter() - self._began
        return self.seconds | {"other": max(0.0, total - sum(self.seconds.values()))}

    def _synchronise(self) -> None:
        if self._cuda:
            self._cuda.synchronize(self.device)


class PeakMemory:
    """Highest memory within a `with` block in bytes: allocated on a GPU, resident (sampled) on a CPU.

    peak_bytes is the whole process's, with libraries and what earlier runs left; added_bytes is how far it rose above
    the start of the block: what the block itself needs. On a CPU, memory that earlier work left free in the process is
    given back first, as it would hide that need (the same fit added 126 MB and then 1 MB).
    """

    def __init__(self, device: torch.device | None) -> None:
        self.device, self._cuda = device, _cuda(device)
        self.peak_bytes = self._start_bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        if self._cuda:
            self._cuda.reset_peak_memory_stats(self.device)
            self._start_bytes = self._cuda.memory_allocated(self.device)
        else:
            _give_back_free_memory()
            self._start_bytes = psutil.Process().memory_info().rss
            self._thread.start()
        return self

    @property
    def added_bytes(self) -> int:
        """The peak less what was there at the start; known once the block has ended."""
        return max(0, self.peak_bytes - self._start_bytes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._cuda:
            self.peak_bytes = self._cuda.max_memory_allocated(self.device)
        else:
            self._done.set()
            self._thread.join()

    def _sample(self) -> None:
        process = psutil.Process()
        while True:
            self.peak_bytes = max(self.peak_bytes, process.memory_info().rss)
            if self._done.wait(SAMPLE_EVERY_S):
                return


def _give_back_free_memory() -> None:
    """Return the allocator's free pages to the system, where it can (glibc); milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _cuda(device: torch.device | None) -> Any:
    """torch.cuda for a GPU, None for anything else."""
    if device is None or device.type != "cuda":
        return None
    import torch

    return torch.cuda
