"""The model that a classifier was started from, as its folder remembers it. Imports no torch."""

from __future__ import annotations

from typing import Any

from gptcore.engine.layout import EngineName, Precision
from gptcore.schema import Part


class Base(Part):
    """The model that was started from.

    source: where its weights came from; fingerprint: SHA-256 over them; config: its
    shape, as equal weights with other heads are another model; init_seed: of weights that are random, and of
    what the method added; engine, precision: that it was trained with; tokenizer: its vocabulary's name and SHA-256.
    """

    source: str
    fingerprint: str
    config: dict[str, Any]
    init_seed: int
    engine: EngineName
    precision: Precision
    tokenizer: str
    tokenizer_fingerprint: str
