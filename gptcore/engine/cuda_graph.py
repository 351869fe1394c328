"""Training steps as CUDA graphs: the kernels of a step are launched together, not one after the other by Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from gptcore.data.rows import READ, Rows
from gptcore.engine.classifier import Classifier
from gptcore.errors import first_line

Made = tuple[Tensor, ...]
WARM_UP = 3  # steps before a recording, in which kernels are chosen and the optimiser makes its moments


class GraphedStep:
    """Takes a step kernel by kernel a few times, then records it once and replays the recording.

    A step is a whole one, gradients cleared at its start, that never waits for the GPU: rows (B,) int64 on the GPU
    -> tensors. Every call takes one. A call with another number of rows, as the last group of an epoch may have, is
    taken kernel by kernel. Where recording fails all are, here and in whatever follows in this process, as a failed
    recording may leave the GPU's allocator in doubt; `failure` says why.
    """

    failure: ClassVar[str | None] = None

    def __init__(self) -> None:
        self._rows: Tensor | None = None  # what the recording reads
        self._n_warm = 0
        self._replay: Callable[[], Made] | None = None
        self._stream: torch.cuda.Stream | None = None

    def __call__(self, step: Callable[[Tensor], Made], rows: Tensor) -> Made:
        """Take one step on these rows: the same function every time."""
        fixed = self._rows = rows.clone() if self._rows is None else self._rows
        if self.failure is not None or rows.shape != fixed.shape:
            return step(rows)
        if self._stream is None:
            self._stream = _new_stream()
        if self._n_warm < WARM_UP:
            self._n_warm += 1
            return _beside(lambda: step(rows), self._stream)
        if self._replay is None:
            try:
                self._replay = _record(lambda: step(fixed), self._stream)
            except RuntimeError as error:
                GraphedStep.failure = first_line(error.__context__ or error)
                return step(rows)
        fixed.copy_(rows)
        return tuple(made.clone() for made in self._replay())


def can_be_graphed(classifier: Classifier, rows: Rows, device: torch.device) -> bool:
    """Whether every step has the same shapes and nothing of it happens on the CPU."""
    layout = classifier.layout
    if device.type != "cuda" or not layout.whole_steps or classifier.adapter.acts_after_steps:
        return False
    return rows.depth == READ or (rows.in_memory and not layout.drop_padding)


def _new_stream() -> torch.cuda.Stream:
    return torch.cuda.Stream()


def _beside(call: Callable[[], Made], stream: torch.cuda.Stream) -> Made:
    """Do it on another stream, as what is recorded later must have been."""
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        made = call()
    torch.cuda.current_stream().wait_stream(stream)
    return made


def _record(call: Callable[[], Made], stream: torch.cuda.Stream) -> Callable[[], Made]:
    """Record what `call` launches, without doing it; the function that does it, into the same tensors each time."""
    graph, usual = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
    try:
        with torch.cuda.graph(graph, stream=stream):
            made = call()
    finally:
        torch.cuda.set_stream(usual)  # which a recording that ends in an error leaves behind

    def replay() -> Made:
        graph.replay()
        return made

    return replay
