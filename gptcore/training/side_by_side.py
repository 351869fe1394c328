"""Many texts through a network on a CPU: in several threads, each with its own texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from gptcore.engine.classifier import Classifier

MOST, FEWEST = 1024, 64  # texts at a time; texts that are worth a thread
T = TypeVar("T")


def side_by_side(
    network: Classifier, run: Callable[[Sequence[Sequence[int]]], T], sequences: Sequence[Sequence[int]]
) -> list[T]:
    """What `run` makes of N texts as tokens, at least one, piece by piece, in order.

    A small network's operations are short: divided among threads, they take longer than they do on one thread, because
    each ends with the threads waiting for one another. So as many pieces as torch may use threads are computed at once,
    each on its share of the threads.
    """
    n_threads = torch.get_num_threads() if can_run_at_once(network) else 1
    n = max(1, min(n_threads, len(sequences) // FEWEST))
    n_pieces = n * -(-len(sequences) // (n * MOST))
    size = -(-len(sequences) // n_pieces)
    pieces = [sequences[begin : begin + size] for begin in range(0, len(sequences), size)]
    if n == 1:
        return [run(piece) for piece in pieces]
    torch.set_num_threads(n_threads // n)  # before the pool's threads begin, which take it from here
    try:
        with ThreadPoolExecutor(n) as pool:
            return list(pool.map(run, pieces))
    finally:
        torch.set_num_threads(n_threads)


def can_run_at_once(network: Classifier) -> bool:
    """Whether threads gain anything and may run the network at once. Processes must compute in step."""
    return network.device.type == "cpu" and network.n_processes == 1 and network.backbone.reentrant
