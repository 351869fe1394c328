"""What a trained classifier costs its user: bytes to ship, time for one text, texts a second."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from statistics import median

import numpy as np

from gptcore.classifier import TextClassifier
from gptcore.engine.classifier import Classifier
from gptcore.result import ServingCost
from gptcore.training.serving_time import BUDGET_S, FEWEST_ALONE, MOST_ALONE, MOST_TOGETHER, n_together

# safetensors has the arrays of these types first, each type in the order of the names
_TYPES = {"int64": "I64", "float64": "F64", "float32": "F32", "int32": "I32", "float16": "F16"}


def serving_cost(classifier: TextClassifier, texts: Sequence[str], budget_s: float = BUDGET_S) -> ServingCost:
    """Measure a classifier on some of the texts, evenly from all of them.

    budget_s: seconds that it may take, but for a slow classifier's FEWEST_ALONE and FEWEST_TOGETHER texts. A merged
    adapter is timed by the layers that it would leave, which have their shapes. Raises ValueError without texts.
    """
    if not texts:
        raise ValueError("serving_cost needs texts")
    network = getattr(classifier.predictor, "network", None)
    frozen_bytes, unwrapped = 0, None
    if isinstance(network, Classifier):
        frozen_bytes = sum(p.nbytes for p in network.backbone.parameters() if not p.requires_grad)
        if can_merge(classifier):
            unwrapped = network.adapter.unwrapped
    saved_bytes = tensor_file_bytes(classifier.predictor.learned()) + len(classifier.description().encode())
    share_s = budget_s / (1 if unwrapped is None else 2)
    latency_s, texts_per_s, n_alone, n_at_once = _timed(classifier.predict, texts, share_s)
    merged = (None, None) if unwrapped is None else _merged(classifier, texts, share_s, unwrapped())
    return ServingCost(
        saved_bytes=saved_bytes,
        with_base_bytes=saved_bytes + frozen_bytes,
        latency_p50_s=latency_s,
        texts_per_s=texts_per_s,
        merged_latency_p50_s=merged[0],
        merged_texts_per_s=merged[1],
        n_alone=n_alone,
        n_together=n_at_once,
    )


def can_merge(classifier: TextClassifier) -> bool:
    """Whether it has an adapter that can be folded into its model, and is timed both ways."""
    network = getattr(classifier.predictor, "network", None)
    return isinstance(network, Classifier) and bool(network.adapter.wrapped_layers()[1])


def tensor_file_bytes(arrays: Mapping[str, np.ndarray]) -> int:
    """Size of the arrays as a safetensors file: 8 bytes, a header in JSON padded to 8 bytes, the values."""
    order = list(_TYPES)
    header, end = {}, 0
    for name, array in sorted(arrays.items(), key=lambda item: (order.index(item[1].dtype.name), item[0])):
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": _TYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    n = len(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
    return 8 + (n + 7) // 8 * 8 + end


def _merged(
    classifier: TextClassifier, texts: Sequence[str], budget_s: float, unwrapped: AbstractContextManager[None]
) -> tuple[float, float]:
    # The probabilities say nothing: without the adapter's update they may even overflow.
    with unwrapped:
        return _timed(classifier.predictor.probabilities, texts, budget_s)[:2]


def _timed(
    answer: Callable[[Sequence[str]], object], texts: Sequence[str], budget_s: float
) -> tuple[float, float, int, int]:
    """Median seconds of one text alone, texts a second of many, and the numbers of texts. Half the budget for each."""
    chosen = _spread(texts, MOST_TOGETHER)
    answer(chosen[:1])  # a first call makes what later ones find
    began, alone = time.perf_counter(), list[float]()
    while len(alone) < FEWEST_ALONE or (
        len(alone) < MOST_ALONE and time.perf_counter() - began < budget_s / 2
    ):
        text = chosen[len(alone) * len(chosen) // MOST_ALONE]
        start = time.perf_counter()
        answer([text])
        alone.append(time.perf_counter() - start)
    latency_s = median(alone)
    together = _spread(chosen, n_together(budget_s, latency_s))
    start = time.perf_counter()
    answer(together)
    took_s = max(time.perf_counter() - start, 1e-9)
    return latency_s, len(together) / took_s, len(alone), len(together)


def _spread(texts: Sequence[str], n: int) -> list[str]:
    """n of the texts at equal distances; all where there are fewer."""
    n = min(n, len(texts))
    return [texts[i * len(texts) // n] for i in range(n)]
