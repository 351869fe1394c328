"""A token embedding that also knows the tokens of a learned prompt."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor, nn

from gptcore.data.prompted import FIRST_PROMPT_ID


class Vectors(nn.Module):
    """The vectors of a prompt (n, width), as they are."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = nn.Parameter(values)

    @classmethod
    def drawn_from(cls, embedding: nn.Embedding, n: int, generator: torch.Generator) -> Self:
        """Those of n tokens of a vocabulary, drawn at random."""
        tokens = torch.randint(embedding.num_embeddings, (n,), generator=generator)
        with torch.no_grad():
            return cls(embedding(tokens.to(embedding.weight.device)).clone())

    def forward(self) -> Tensor:
        """(n, width)."""
        return self.values


class Encoded(nn.Module):
    """Vectors that go through two hidden layers with ReLU, as in peft's PromptEncoder."""

    def __init__(self, vectors: Vectors, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        width, device = vectors.values.shape[1], vectors.values.device
        sizes = [(width, hidden), (hidden, hidden), (hidden, width)]
        self.vectors = vectors
        self.layers = nn.ModuleList(nn.Linear(*size, device=device) for size in sizes)
        for layer in self.layers:  # as nn.Linear starts, from the generator
            assert isinstance(layer, nn.Linear)
            bound = 1 / math.sqrt(layer.in_features)
            for parameter in (layer.weight, layer.bias):
                start = torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator)
                parameter.data = start.to(device)

    def forward(self) -> Tensor:
        """(n, width)."""
        x = self.vectors()
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        found: Tensor = self.layers[-1](x)
        return found


class PromptEmbedding(nn.Embedding):
    """A model's own embedding, and for ids from FIRST_PROMPT_ID on the rows of a prompt.

    prompt: a module without arguments that gives (n, width).
    """

    def __init__(self, own: nn.Embedding, prompt: nn.Module) -> None:
        nn.Module.__init__(self)  # it has no table of its own
        self.own, self.prompt = own, prompt
        self.num_embeddings, self.embedding_dim = own.num_embeddings, own.embedding_dim
        self.padding_idx = own.padding_idx

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The vocabulary's (n_vocab, width)."""
        return self.own.weight

    def extra_repr(self) -> str:
        """Nothing but the modules in it."""
        return ""

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (...) int64 -> (..., width)."""
        prompt = tokens >= FIRST_PROMPT_ID
        own: Tensor = self.own(tokens.masked_fill(prompt, 0))
        rows = self.prompt()[(tokens - FIRST_PROMPT_ID).clamp(min=0)]
        return torch.where(prompt[..., None], rows.to(own.dtype), own)
