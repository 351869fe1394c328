"""What a run will need: parameters that learn, peak memory, floating-point operations.

Parameters are counted on torch's meta device, where the real model with the method attached takes no memory; memory and
operations follow from the counts by formula, in float32. Estimates, not bounds: they say whether a run can fit, and how
runs compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch

from gptcore.backbones.base import Backbone
from gptcore.backbones.gpt import GPT
from gptcore.backbones.hf_attention import AnyValues
from gptcore.backbones.hf_config import HFConfig
from gptcore.backbones.model_info import AnyConfig
from gptcore.data.rows import Rows
from gptcore.methods.base import Method
from gptcore.methods.layers import All
from gptcore.recipe import Recipe

FLOAT_BYTES = 4
DEVICE = "meta"  # of models that are counted
EVALUATION_ROWS = 32  # rows that are predicted at a time


@dataclass(frozen=True)
class Counts:
    """Parameters of a backbone with a method attached, the head left out.

    learning: all that learn; added: those of them that the method has put in; matrices: weights of the blocks that
    multiply hidden states, as loaded; learning_matrices: those of them that learn; gradient_blocks: that a gradient
    passes, above and with the lowest one in which something learns.
    """

    learning: int
    added: int
    matrices: int
    learning_matrices: int
    gradient_blocks: int


@cache
def count(config: AnyConfig, method: Method) -> Counts:
    """Attach the method to a model of that shape without weights, and count."""
    backbone = without_weights(config)
    backbone.drop_output()
    loaded = {id(p) for p in backbone.parameters()}
    matrices = [p for p in backbone.blocks.parameters() if p.dim() == 2]
    method.attach(backbone, torch.Generator())
    learning = [p for p in backbone.parameters() if p.requires_grad]
    return Counts(
        learning=_size(learning),
        added=_size([p for p in learning if id(p) not in loaded]),
        matrices=_size(matrices),
        learning_matrices=_size([p for p in matrices if p.requires_grad]),
        gradient_blocks=len(backbone.blocks) - method.frozen_below(len(backbone.blocks)),
    )


@cache
def saved_beside_formula(config: AnyConfig, method: Method, batch: int, tokens_per_row: int) -> int:
    """Bytes that one block keeps for its backward pass because of what the method adds, such as DoRA's weights.

    Counted on the meta device: what is kept with the method attached, beyond a block that learns as a whole, which the
    formula of `estimate_memory` counts.
    """
    if not config.abilities.trunk or method.frozen_below(config.n_blocks) == config.n_blocks:
        return 0
    try:
        kept = [_saved_bytes(config, each, batch, tokens_per_row) for each in (method, All())]
    except NotImplementedError:  # an operation that torch has not on this device: it is an estimate
        return 0
    return max(0, kept[0] - kept[1])


def _saved_bytes(config: AnyConfig, method: Method, batch: int, tokens_per_row: int) -> int:
    """What the last block keeps for its backward pass, each storage once, parameters left out."""
    backbone = without_weights(config.with_blocks(1))
    method.attach(backbone, torch.Generator())
    backbone.train()
    own = {p.untyped_storage()._cdata for p in backbone.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    states = torch.empty(batch, tokens_per_row, config.width, device=DEVICE, requires_grad=True)
    lengths = torch.empty(batch, dtype=torch.int64, device=DEVICE)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        backbone.run(Rows(states, lengths), AnyValues(config.abilities.causal), stop=1)
    return sum(storage.nbytes() for storage in kept.values())


def n_trained_params(config: AnyConfig, recipe: Recipe, n_classes: int) -> int:
    """Parameters that learn: the head, and what the method adds to it."""
    return count(config, recipe.method).learning + (config.width + 1) * n_classes


def estimate_memory(
    config: AnyConfig,
    recipe: Recipe,
    tokens_per_row: int,
    n_classes: int,
    n_used_tokens: int | None = None,
    n_train: int | None = None,
) -> int:
    """Peak bytes that a run adds to its process, trunks left out.

    weights:  of the whole model; where they are a file's, they are mapped, and what learns is copied out of it
    training: 12 bytes for each trained parameter (gradient and AdamW's two moments); n_used_tokens: rows of the
              token embedding that learn where it does, None for all of them, as in the plain loop
    backward: for every block that a gradient passes, batch x T x (8 d_model + 2 d_mlp) floats: inputs of both norms and
              their outputs, query, key and value, attention output, both widths of the MLP before and after
              GELU; fused attention keeps no weights; and what a method keeps beside it, counted. A batch has no more
              rows than n_train, the training texts
    predicting: what one block needs for EVALUATION_ROWS rows, if that is more
    masks:    one bool for each pair of positions of a row
    (after Korthikanti et al. 2022, section 4.1, without dropout and in float32)
    """
    if recipe.backbone is None:
        return 0
    T, d, d_mlp = tokens_per_row, config.width, config.d_mlp
    counts = count(config, recipe.method)
    learning = n_trained_params(config, recipe, n_classes)
    copied = counts.learning - counts.added if recipe.weights == "pretrained" else 0
    stepped = learning
    if recipe.method.trains_embedding and n_used_tokens is not None:
        stepped -= (config.vocab_size - min(n_used_tokens, config.vocab_size)) * d
    batch = min(recipe.batch_size, n_train or recipe.batch_size)
    backward = batch * T * (8 * d + 2 * d_mlp) * counts.gradient_blocks
    predicting = EVALUATION_ROWS * T * (2 * d + 2 * d_mlp)
    beside = saved_beside_formula(config, recipe.method, batch, T) * counts.gradient_blocks
    floats = config.n_params + copied + 3 * stepped
    at_a_time = max(FLOAT_BYTES * backward + beside, FLOAT_BYTES * predicting)
    return FLOAT_BYTES * floats + at_a_time + EVALUATION_ROWS * T * T


def estimate_flops(
    config: AnyConfig, recipe: Recipe, n_trained_rows: int, n_evaluated_rows: int, tokens_per_row: float
) -> float:
    """Floating-point operations of the blocks; embeddings, norms and the head are left out as negligible.

    n_trained_rows: rows that went forward and backward, every epoch counted; n_evaluated_rows: rows that went
    forward only; tokens_per_row: their (mean) length T.
    A token takes 2 operations a weight forward, and 4 T d_model a block for attention (Kaplan et al. 2020, section 2.1;
    for all T x T pairs, as in Chowdhery et al. 2022, appendix B). Backward, the products with weights cost as much
    again for the gradient that is passed on and once more where the weights learn, attention twice its forward.
    """
    if recipe.backbone is None:
        return 0.0
    T, counts = tokens_per_row, count(config, recipe.method)
    share = counts.gradient_blocks / config.n_blocks
    attention = 4.0 * T * config.width * config.n_blocks
    forward = 2 * counts.matrices + attention + 2 * counts.added
    passed_on = share * (2 * counts.matrices + 2 * attention) + 2 * counts.added
    backward = passed_on + 2 * (counts.learning_matrices + counts.added)
    return T * ((n_trained_rows + n_evaluated_rows) * forward + n_trained_rows * backward)


def without_weights(config: AnyConfig) -> Backbone:
    """A model of that shape on the meta device: every module and parameter, no values."""
    if isinstance(config, HFConfig):
        from gptcore.backbones.hf_load import shapes_of

        return shapes_of(config)
    with torch.device(DEVICE):
        return GPT(config)


def _size(parameters: list[torch.nn.Parameter]) -> int:
    return sum(p.numel() for p in parameters)
