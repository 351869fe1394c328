"""GPT-2 and its fine-tuning into text classifiers.

The names below are loaded when first used, so that `import gptcore` alone brings no torch. It does tell torch's
threads how to wait (see `gptcore.threads`), which has an effect only where torch is loaded later.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gptcore.threads import share_cores

if TYPE_CHECKING:
    from gptcore.backbones.gpt import GPT as GPT
    from gptcore.classifier import TextClassifier as TextClassifier
    from gptcore.data.datasets import Dataset as Dataset
    from gptcore.data.datasets import load_dataset as load_dataset
    from gptcore.engine.engine import Engine as Engine
    from gptcore.recipe import Recipe as Recipe
    from gptcore.recipe import Seeds as Seeds
    from gptcore.result import Fit as Fit
    from gptcore.training.fit import fit as fit

_HOME = {
    "Dataset": "gptcore.data.datasets",
    "Engine": "gptcore.engine.engine",
    "Fit": "gptcore.result",
    "GPT": "gptcore.backbones.gpt",
    "Recipe": "gptcore.recipe",
    "Seeds": "gptcore.recipe",
    "TextClassifier": "gptcore.classifier",
    "fit": "gptcore.training.fit",
    "load_dataset": "gptcore.data.datasets",
}
__all__ = sorted(_HOME)
share_cores()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gptcore' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
