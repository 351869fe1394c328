"""GPT-2 and its fine-tuning into text classifiers.

The names below are loaded when first used, so that `import gptcore` alone brings no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gptcore.data.datasets import Dataset as Dataset
    from gptcore.data.datasets import load_dataset as load_dataset
    from gptcore.finetune.fit import FitResult as FitResult
    from gptcore.finetune.fit import fit as fit
    from gptcore.finetune.recipe import Recipe as Recipe
    from gptcore.finetune.recipe import Seeds as Seeds
    from gptcore.models.gpt import GPT as GPT

_HOME = {
    "Dataset": "gptcore.data.datasets",
    "FitResult": "gptcore.finetune.fit",
    "GPT": "gptcore.models.gpt",
    "Recipe": "gptcore.finetune.recipe",
    "Seeds": "gptcore.finetune.recipe",
    "fit": "gptcore.finetune.fit",
    "load_dataset": "gptcore.data.datasets",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gptcore' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
