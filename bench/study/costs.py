"""What a run will need, by formula: parameters that learn, peak memory, floating-point operations.

In float32. Estimates, not bounds: they say whether a run can fit, and how runs compare.
"""

from __future__ import annotations

from gptcore.backbones.config import ModelConfig
from gptcore.recipe import TRAINED_BLOCKS, Recipe

FLOAT_BYTES = 4
EVALUATION_ROWS = 32  # rows that are predicted at a time


def n_trained_params(config: ModelConfig, recipe: Recipe, n_classes: int) -> int:
    """Parameters that learn: the head, and what `recipe.train` adds to it."""
    head = (config.d_model + 1) * n_classes
    if recipe.train == "all":
        body = config.n_params if config.tie_output else config.n_params - config.vocab_size * config.d_model
        return body + head
    if recipe.train == "lora":
        return config.n_layer * _lora_params(config, recipe) + head
    blocks = min(TRAINED_BLOCKS[recipe.train], config.n_layer)
    final_norm = 2 * config.d_model if blocks else 0
    return blocks * config.n_block_params + final_norm + head


def estimate_memory(
    config: ModelConfig, recipe: Recipe, tokens_per_row: int, n_classes: int, n_used_tokens: int | None = None
) -> int:
    """Peak bytes that a run adds to its process, trunks left out.

    weights:  of the whole model; where they are a file's, they are mapped, and what learns is copied out of it
    training: 12 bytes for each trained parameter (gradient and AdamW's two moments); n_used_tokens: rows of the
              token embedding that learn with `train = all`, None for all of them, as in the plain loop
    backward: for every block that a gradient passes, batch x T x (8 d_model + 2 d_mlp) floats: inputs of both
              norms and their outputs, query, key and value, attention output, both widths of the MLP before and
              after its activation; fused attention keeps no weights
    predicting: what one block needs for EVALUATION_ROWS rows, if that is more
    masks:    one bool for each pair of positions of a row
    (after Korthikanti et al. 2022, section 4.1, without dropout and in float32)
    """
    if recipe.is_tfidf:
        return 0
    T, d, d_mlp = tokens_per_row, config.d_model, config.d_mlp
    learning = n_trained_params(config, recipe, n_classes)
    copied = learning if recipe.weights == "pretrained" and recipe.train != "lora" else 0
    stepped = learning
    if recipe.train == "all" and n_used_tokens is not None:
        stepped -= (config.vocab_size - min(n_used_tokens, config.vocab_size)) * d
    backward = recipe.batch_size * T * (8 * d + 2 * d_mlp) * _gradient_blocks(config, recipe)
    predicting = EVALUATION_ROWS * T * (2 * d + 2 * d_mlp)
    floats = config.n_params + copied + 3 * stepped + max(backward, predicting)
    return FLOAT_BYTES * floats + EVALUATION_ROWS * T * T


def estimate_flops(
    config: ModelConfig, recipe: Recipe, n_trained_rows: int, n_evaluated_rows: int, tokens_per_row: float
) -> float:
    """Floating-point operations of the blocks; embeddings, norms and the head are left out as negligible.

    n_trained_rows: rows that went forward and backward, every epoch counted; n_evaluated_rows: rows that went
    forward only; tokens_per_row: their (mean) length T.
    A block takes 8 d_model^2 + 4 d_model d_mlp + 4 T d_model operations a token forward (Kaplan et al. 2020,
    section 2.1; the attention term for all T x T pairs, as in Chowdhery et al. 2022, appendix B). Backward, the
    products with weights cost as much again for the gradient that is passed on and once more where the weights learn,
    attention twice its forward; a LoRA adapter 6 operations a parameter in all.
    """
    if recipe.is_tfidf:
        return 0.0
    T, d = tokens_per_row, config.d_model
    products, attention = 8.0 * d * d + 4.0 * d * config.d_mlp, 4.0 * T * d
    forward = config.n_layer * (products + attention)
    backward = _gradient_blocks(config, recipe) * (2 * products + 2 * attention)
    if recipe.train == "lora":
        adapters = 2.0 * _lora_params(config, recipe)
        forward += config.n_layer * adapters
        backward = config.n_layer * (products + 2 * attention + 2 * adapters)
    return T * ((n_trained_rows + n_evaluated_rows) * forward + n_trained_rows * backward)


def _gradient_blocks(config: ModelConfig, recipe: Recipe) -> int:
    """Blocks that a gradient passes: those above, and with, the lowest one in which something learns."""
    return min(TRAINED_BLOCKS.get(recipe.train, config.n_layer), config.n_layer)


def _lora_params(config: ModelConfig, recipe: Recipe) -> int:
    """Adapter parameters of one block: rank x (inputs + outputs) for each layer that a target names."""
    d, d_mlp = config.d_model, config.d_mlp
    widths = {"attn.c_attn": d + 3 * d, "attn.c_proj": d + d, "mlp.c_fc": d + d_mlp, "mlp.c_proj": d_mlp + d}
    adapted = {
        layer for layer in widths for target in recipe.lora_targets if f".{layer}".endswith(f".{target}")
    }
    return recipe.lora_rank * sum(widths[layer] for layer in adapted)
