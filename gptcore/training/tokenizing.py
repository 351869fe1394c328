"""The tokenizer of a recipe: its model's, with what its method puts before each text."""

from __future__ import annotations

from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer
from gptcore.data.prompted import PromptedTokenizer
from gptcore.data.tokenizer import Tokenizer
from gptcore.recipe import Recipe


def tokenizer_of(recipe: Recipe) -> Tokenizer:
    """Raises UserError as `checkpoint_tokenizer` does."""
    return tokenizer_with(recipe.model, recipe.method.n_prompt)


def tokenizer_with(model: str, n_prompt: int) -> Tokenizer:
    """A model's tokenizer with so many prompt tokens before each text. Raises UserError."""
    plain = checkpoint_tokenizer(model)
    return PromptedTokenizer(plain, n_prompt) if n_prompt else plain
