"""Where a network is computed."""

from __future__ import annotations

import torch


def chosen_device(asked: str | torch.device | None) -> torch.device:
    """`asked`; for "auto" or None a CUDA GPU where there is one, else the CPU."""
    if asked in (None, "auto"):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert asked is not None
    return torch.device(asked)
