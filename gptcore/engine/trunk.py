"""The frozen part of a model, computed once: what blocks below the first trained one make of the rows.

Shared by every epoch, seed and recipe that agrees on weights, texts, mask, precision and depth.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gptcore.data.rows import READ, Rows, batches_by_length
from gptcore.engine.batches import positions_at_a_time, run_batches
from gptcore.engine.outbox import Outbox

if TYPE_CHECKING:
    from gptcore.engine.classifier import Classifier


@dataclass(frozen=True)
class Trunk:
    """Computed rows, and the seconds that computing them from the tokens took."""

    rows: Rows
    seconds: float


@torch.no_grad()
def compute_trunk(
    classifier: Classifier,
    rows: Rows,
    depth: int,
    base: Trunk | None = None,
    out: Tensor | None = None,
) -> Trunk:
    """Run every row through the blocks below `depth`; depth = n_layer gives what the head reads.

    base: a shallower trunk of the same rows to start from; out: (N, T, d_model) zeros to fill where the states
    are not to be in memory. Where the layout drops padding, rows of like length go together, and padding is not
    computed: its states are never read.
    """
    began = time.perf_counter()
    was_training = classifier.training
    classifier.eval()
    drops, positions = classifier.layout.drop_padding, positions_at_a_time(classifier)
    batches = list(batches_by_length(rows.lengths, rows.width, drops, positions))
    start = rows if base is None else base.rows
    if depth == classifier.backbone.info.n_blocks:
        features = torch.zeros(len(rows), classifier.backbone.info.width, device=rows.lengths.device)

        def read(index: Tensor) -> None:
            features[index] = classifier.features(start.take(index))

        run_batches(classifier, batches, read)
        made = replace(rows, values=features, depth=READ)
    else:
        if out is None:
            shape = (len(rows), rows.width, classifier.backbone.info.width)
            out = torch.zeros(shape, device=rows.lengths.device)
        made = replace(rows, values=out, depth=depth)
        _run_blocks(classifier, start, batches, made)
    classifier.train(was_training)
    spent_before = 0.0 if base is None else base.seconds
    return Trunk(made, spent_before + time.perf_counter() - began)


def _run_blocks(classifier: Classifier, start: Rows, batches: list[Tensor], out: Rows) -> None:
    """Fill `out` for the rows of the batches, block by block: no two blocks' weights are needed at a time."""
    batches = [index.to(out.values.device) for index in batches]
    outbox = Outbox(out.values)

    def embed(index: Tensor) -> None:
        outbox.put(index, classifier.embed_or_resume(start.take(index)).values)

    run_batches(classifier, batches, embed)
    outbox.flush()
    for i in range(start.depth, out.depth):
        block = classifier.frozen_block(i)

        def run(index: Tensor, block: Callable[[Rows], Tensor] = block, depth: int = i) -> None:
            outbox.put(index, block(replace(out, depth=depth).take(index)))

        run_batches(classifier, batches, run)
        outbox.flush()
