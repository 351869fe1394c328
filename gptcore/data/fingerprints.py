"""What labelled texts are known by: SHA-256 (hex) over label names, texts and labels in order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def of_splits(label_names: Sequence[str], splits: Iterable[tuple[Sequence[str], np.ndarray]]) -> str:
    """Of splits, each its texts and their labels (N,) int64."""
    pieces = [json.dumps(label_names)]
    for texts, labels in splits:  # each begins with its length, so that no two data sets give the same pieces
        pieces += [json.dumps(len(texts)), *_labelled(texts, labels)]
    return _sha256(pieces)


def of_source(
    label_names: Sequence[str],
    texts: Sequence[str],
    labels: np.ndarray,
    parts: Sequence[str] | None,
    limit: int | None,
    groups: Sequence[str] | None = None,
) -> str:
    """Of all texts and their labels (N,) int64 before they are split, given parts and groups, and a limit."""
    limited = () if limit is None else (f"limit {limit}",)
    grouped = () if groups is None else (json.dumps({"groups": list(groups)}),)
    return _sha256([json.dumps(label_names), *_labelled(texts, labels), *(parts or ()), *grouped, *limited])


def _labelled(texts: Sequence[str], labels: np.ndarray) -> list[str]:
    return [json.dumps([label, text]) for label, text in zip(labels.tolist(), texts, strict=True)]


def _sha256(pieces: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece.encode() + b"\n")
    return digest.hexdigest()
