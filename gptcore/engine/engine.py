"""How a recipe is computed: the conventional loop, or the same answer from less work."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from gptcore.backbones.info import BackboneInfo
from gptcore.engine.layout import EngineName, Layout, Precision, exact_layout, plain_layout
from gptcore.engine.trunk_cache import TrunkStore
from gptcore.recipe import Recipe

if TYPE_CHECKING:
    from gptcore.engine.classifier import Classifier

PRODUCT = (1024, 768, 3072)  # (m, k) x (k, n): the first half of GPT-2's MLP on a batch of 1,024 tokens
PRODUCT_FLOPS = 2 * math.prod(PRODUCT)
FEW_ROWS = 32  # of that batch
EMULATED_LOSS = (
    10  # a few rows take so many times as long where a processor emulates bfloat16 (measured: 100)
)
BFLOAT16_GAIN = 1.3  # how much faster a product must be for `auto` to take bfloat16


@dataclass
class Engine:
    """plain: float32, padded, no cache, the reference. fast: every exact rewrite (see docs/engine.md).

    precision: float32, or bfloat16 for matrix products, with weights, optimiser and residual stream in float32.
    Keep one engine for a whole study: its trunks are what the runs share.
    """

    name: EngineName = "fast"
    precision: Precision = "float32"
    trunks: TrunkStore = field(default_factory=TrunkStore)

    @property
    def is_fast(self) -> bool:
        """Whether work that cannot change the answer is left out."""
        return self.name == "fast"

    def layout(self, recipe: Recipe, info: BackboneInfo) -> Layout:
        """Which part of the rows this engine computes for that recipe on a model of that kind."""
        lay_out = exact_layout if self.name == "fast" else plain_layout
        return lay_out(recipe, info.abilities)

    def place(self, classifier: Classifier, device: torch.device) -> None:
        """Put a classifier where it computes, in place."""
        classifier.to(device)


def probe_precision(device: torch.device) -> Precision:
    """bfloat16 where a trial of about a second finds large products at least 1.3 times faster, else float32.

    Both are timed in turn, and the fastest counts: other programs on the machine must not decide.
    """

    def gain(rows: int, budget_s: float) -> float:
        seconds: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
        for _ in range(3):
            for dtype, timings in seconds.items():
                timings.append(product_seconds(dtype, device, rows, budget_s))
        return min(seconds[torch.float32]) / min(seconds[torch.bfloat16])

    # A processor that emulates bfloat16 takes seconds for one large product; a few rows tell as much.
    emulated = gain(FEW_ROWS, 0.01) < 1 / EMULATED_LOSS
    return "bfloat16" if not emulated and gain(PRODUCT[0], 0.06) >= BFLOAT16_GAIN else "float32"


def product_seconds(
    dtype: torch.dtype, device: torch.device, rows: int = PRODUCT[0], budget_s: float = 0.2
) -> float:
    """Fastest of the products of PRODUCT's matrices that fit the budget, in seconds; rows: of the first one.

    One that is not timed comes first: it also builds its kernel.
    """
    _, k, n = PRODUCT
    a = torch.ones(rows, k, dtype=dtype, device=device)
    b = torch.ones(k, n, dtype=dtype, device=device)

    def product() -> float:
        start = time.perf_counter()
        (a @ b)[0, 0].item()  # reading a value waits for the device
        return time.perf_counter() - start

    product()
    fastest, began = product(), time.perf_counter()
    while time.perf_counter() - began < budget_s:
        fastest = min(fastest, product())
    return fastest
