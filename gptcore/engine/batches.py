"""How many rows go through a model at a time where nothing learns, and fewer of them once memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gptcore.data import rows

if TYPE_CHECKING:
    from gptcore.engine.classifier import Classifier

MEMORY_SHARE = 0.1  # of what is free on a GPU; the rest is for trunks, weights and gradients
MOST_POSITIONS = 2**17  # more fill no card better
FLOATS_PER_POSITION = 24  # times the width: a block's norms, q, k, v, their padded copies, MLP and activation


def positions_at_a_time(classifier: Classifier) -> int:
    """Positions of a batch without gradients: few on a CPU, on a GPU as many as a share of its free memory holds."""
    device, n = classifier.device, classifier.n_processes
    if device.type != "cuda" or n > 1:  # whose free memory differs
        return rows.POSITIONS_AT_A_TIME * n
    bytes_per_position = 4 * FLOATS_PER_POSITION * classifier.backbone.info.width
    fitting = int(MEMORY_SHARE * free_bytes(device) / bytes_per_position)
    return min(MOST_POSITIONS, max(rows.POSITIONS_AT_A_TIME, fitting))


def free_bytes(device: torch.device) -> int:
    """Memory of a GPU that this process could take: what nobody has, and what torch keeps without using it."""
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + kept


def run_batches(classifier: Classifier, batches: Iterable[Tensor], run: Callable[[Tensor], None]) -> None:
    """Call `run` with every batch of row numbers (B,) int64, in order, in halves from where memory has run out.

    Raises torch.OutOfMemoryError where a single row is too much. A call that ran out of memory must leave nothing.
    """
    most: int | None = None
    for batch in batches:
        done = 0
        while done < len(batch):
            part = batch[done : None if most is None else done + most]
            if _fits(classifier, part, run):
                done += len(part)
            else:
                most = (len(part) + 1) // 2


def _fits(classifier: Classifier, part: Tensor, run: Callable[[Tensor], None]) -> bool:
    """Run a part; False where memory ran out. The error is let go of before the next try: it holds tensors."""
    before = classifier.positions_processed
    try:
        run(part)
    except torch.OutOfMemoryError:
        if len(part) == 1 or classifier.n_processes > 1:  # the others would go on without it
            raise
        classifier.positions_processed = before
        return False
    return True
