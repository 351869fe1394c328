"""A GPT whose output layer is replaced by one class head that reads a chosen position."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gptcore.data.batching import TokenRows
from gptcore.finetune.recipe import Recipe
from gptcore.models.gpt import GPT, Attend


class Classifier(nn.Module):
    """Backbone, position (or pooling) and head.

    Takes the GPT over: its language-model output layer, where it has one of its own, is dropped, so that there
    is exactly one head. The head starts as nn.Linear does, from its own generator.
    """

    def __init__(self, gpt: GPT, n_classes: int, recipe: Recipe, generator: torch.Generator) -> None:
        super().__init__()
        gpt.lm_head = None
        self.gpt = gpt
        self.recipe = recipe
        self.head = nn.Linear(gpt.config.d_model, n_classes)
        nn.init.kaiming_uniform_(self.head.weight, a=math.sqrt(5), generator=generator)
        bound = 1 / math.sqrt(gpt.config.d_model)
        nn.init.uniform_(self.head.bias, -bound, bound, generator=generator)

    def forward(self, rows: TokenRows) -> Tensor:
        """B rows of tokens -> class logits (B, n_classes)."""
        logits: Tensor = self.head(self.features(rows))
        return logits

    def features(self, rows: TokenRows) -> Tensor:
        """B rows of tokens -> what the head reads (B, d_model)."""
        if self.recipe.padding == "none":
            return torch.cat([self._features(row) for row in rows.unpadded()])
        return self._features(rows)

    def _features(self, rows: TokenRows) -> Tensor:
        attend = attention_of(self.recipe, rows)
        hidden = self.gpt(rows.tokens, attend, positions_of(self.recipe, rows))  # (B, T, d_model)
        return read_hidden(self.recipe, hidden, rows)


def attention_of(recipe: Recipe, rows: TokenRows) -> Attend:
    """The attention mask that the recipe asks for on these rows."""
    return Attend(
        causal=recipe.attention == "causal", real=None if recipe.attend_padding else rows.real
    )


def positions_of(recipe: Recipe, rows: TokenRows) -> Tensor | None:
    """Position of every token (B, T) int64; None for 0 .. T-1.

    Where padding stands on the left and cannot be seen, positions count from the first real token, as when
    the text had no padding at all.
    """
    if recipe.padding != "left" or recipe.attend_padding:
        return None
    return (rows.real.cumsum(dim=1) - 1).clamp(min=0)


def read_hidden(recipe: Recipe, hidden: Tensor, rows: TokenRows) -> Tensor:
    """Hidden states (B, T, d_model) -> what the head reads (B, d_model).

    The mean of hidden states before a linear head equals the mean of the logits after it.
    """
    if recipe.position == "mean":
        return hidden.mean(dim=1)
    if recipe.position == "mean_real":
        real = rows.real[:, :, None].to(hidden.dtype)
        return (hidden * real).sum(dim=1) / real.sum(dim=1)
    index = read_index(recipe, rows)
    return hidden[torch.arange(len(rows), device=hidden.device), index]


def read_index(recipe: Recipe, rows: TokenRows) -> Tensor:
    """Column (B,) int64 of the hidden state that is read. Only for positions that read a single one."""
    last = rows.tokens.shape[1] - 1
    if recipe.position == "first":
        return torch.zeros_like(rows.lengths)
    if recipe.position == "last" or rows.side == "left":
        return torch.full_like(rows.lengths, last)
    return rows.lengths - 1
