"""Training steps as CUDA graphs: the kernels of a step are launched together, not one after the other by Python."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gptcore.data.batching import TokenRows
from gptcore.finetune.classifier import Classifier
from gptcore.finetune.trunk import Rows, StateRows

Step = Callable[[Tensor], tuple[Tensor, ...]]
WARM_UP = 3  # steps before a capture, in which kernels are chosen and the optimiser makes its moments


class GraphedStep:
    """Takes a step kernel by kernel a few times, then records it once and replays the recording.

    step: rows (B,) int64 on the GPU -> tensors; a whole training step, gradients cleared at its start, that
    never waits for the GPU. Every call takes one step. A call with another number of rows, as the last group of an
    epoch may have, is taken kernel by kernel; so are all where recording fails, and `failure` says why.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._rows: Tensor | None = None  # what the recording reads
        self._n_warm = 0
        self._replay: Callable[[], tuple[Tensor, ...]] | None = None
        self.failure: str | None = None

    def __call__(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Take one step on these rows."""
        if self._rows is None:
            self._rows = rows.clone()
        if self.failure is not None or rows.shape != self._rows.shape:
            return self._step(rows)
        if self._n_warm < WARM_UP:
            self._n_warm += 1
            return _beside(lambda: self._step(rows))
        fixed = self._rows
        if self._replay is None:
            try:
                self._replay = _record(lambda: self._step(fixed))
            except RuntimeError as error:
                self.failure = str(error).splitlines()[0]
                return self._step(rows)
        fixed.copy_(rows)
        return tuple(made.clone() for made in self._replay())


def can_be_graphed(classifier: Classifier, rows: Rows, device: torch.device) -> bool:
    """Whether every step has the same shapes and nothing of it happens on the CPU."""
    view = classifier.view
    if device.type != "cuda" or not view.whole_steps:
        return False
    if isinstance(rows, TokenRows):
        return not (view.trim or view.one_by_one)
    if isinstance(rows, StateRows):
        return not view.trim and rows.states.device == rows.lengths.device  # not in a mapped file
    return True


def _beside(call: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """Do it on a stream of its own, as whatever is recorded later must have been."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        made = call()
    torch.cuda.current_stream().wait_stream(stream)
    return made


def _record(call: Callable[[], tuple[Tensor, ...]]) -> Callable[[], tuple[Tensor, ...]]:
    """Record what `call` launches, without doing it; the function that does it, into the same tensors each time."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        made = call()

    def replay() -> tuple[Tensor, ...]:
        graph.replay()
        return made

    return replay
