"""How sure a figure is, from counts alone."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson(share: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a share that was seen in `n` examples (Wilson 1927): (low, high), 0 to 1.

    With z the normal quantile of `level`, the interval is

        (share + z^2/2n  -+  z sqrt(share (1 - share)/n + z^2/4n^2)) / (1 + z^2/n)

    It keeps its level near 0 and 1, where classifiers live and the usual interval collapses. `share` may
    be a mean over runs on the same `n` examples: the examples are what is uncertain, so `n` is counted once.
    Raises ValueError for a share or level outside its range, or without examples.
    """
    if n < 1 or not 0 <= share <= 1 or not 0 < level < 1:
        raise ValueError(f"no interval for share={share}, n={n}, level={level}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # The interval holds the share and stays in 0..1; rounding must not say otherwise.
    return max(0.0, min(share, (centre - half) / scale)), min(1.0, max(share, (centre + half) / scale))
