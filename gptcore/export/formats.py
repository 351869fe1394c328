"""What an export format is. Imports no torch, so that the command line can name the formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

    from gptcore.classifier import TextClassifier

FormatName = Literal["hf", "peft", "onnx", "gguf", "numpy"]


@dataclass(frozen=True)
class ExportFormat:
    """One library's format.

    extra: of this package, with the packages that it needs, "" where it needs none; obstacle: why a classifier cannot
    be expressed, None where it can; write: makes the folder, and may change the classifier's network; probabilities:
    (N, n_labels) of N texts, as that library gives them from the folder alone; printed: label and probability of each
    line that the folder's own command is given, None where there is no command.
    """

    packages: tuple[str, ...]
    extra: str
    obstacle: Callable[[TextClassifier], str | None]
    write: Callable[[TextClassifier, Path], None]
    probabilities: Callable[[Path, Sequence[str]], np.ndarray]
    printed: Callable[[Path, Sequence[str]], list[tuple[str, float]]] | None = None
