"""What is known of a backbone from its config alone. Imports no torch, so that planning can ask."""

from __future__ import annotations

from typing import Protocol


class BackboneInfo(Protocol):
    """Shape and vocabulary of a backbone.

    n_blocks: transformer blocks; width: of a hidden state; context: positions that a row may have; vocab_size: rows of
    the token embedding; n_params: of the language model; tokenizer: name of its vocabulary; identity: the whole
    config as text: backbones of equal identity and weights make the same of the same rows.
    """

    @property
    def n_blocks(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def context(self) -> int: ...
    @property
    def vocab_size(self) -> int: ...
    @property
    def n_params(self) -> int: ...
    @property
    def tokenizer(self) -> str: ...
    @property
    def identity(self) -> str: ...
