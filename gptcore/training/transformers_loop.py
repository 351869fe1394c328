"""What a user would write with `transformers`: the loop that `bench speed` times beside the engine.

`AutoModelForSequenceClassification`, every batch padded to its longest row, the engine's optimiser, `peft` for LoRA.
It does the same work as a recipe: `tests/parity/test_transformers_loop.py` compares the losses step by step. Dropout
is off, which costs it nothing and makes that comparison possible.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gptcore.backbones.hf_blocks import find_blocks
from gptcore.backbones.hf_config import HFConfig
from gptcore.backbones.hf_load import hf_config_of, quiet
from gptcore.data.rows import epoch_batches, pad
from gptcore.engine.layout import Precision
from gptcore.errors import UserError
from gptcore.extras import require
from gptcore.methods.layers import All, TopBlocks
from gptcore.methods.lora import Lora
from gptcore.recipe import Recipe

AT_A_TIME = 32  # texts of a batch without gradients
# Architectures that were compared, and the norm behind their blocks, which learns with the last block
FINAL_NORM: dict[str, str | None] = {
    **dict.fromkeys(("llama", "qwen2", "qwen3", "mistral", "smollm3"), "norm"),
    **dict.fromkeys(("bert", "roberta", "electra", "distilbert")),
}
_PLAIN = ("accumulation", "warmup", "schedule", "clip_norm", "class_weight", "padding", "attention")


class TransformersLoop:
    """A classifier with random weights and its optimiser. Raises UserError for a recipe that it cannot express."""

    def __init__(
        self,
        info: HFConfig,
        recipe: Recipe,
        n_classes: int,
        pad_id: int,
        precision: Precision = "float32",
        device: str = "cpu",
    ) -> None:
        if (reason := obstacle(info, recipe)) is not None:
            raise UserError(f"no comparison with transformers: {reason}")
        require("transformers", "a comparison with transformers", "hf")
        self.info, self.pad_id, self.precision, self.device = info, pad_id, precision, torch.device(device)
        self.model = LEARN[recipe.method.kind](_model(info, n_classes, pad_id), info, recipe)
        self.model.to(self.device).train()
        self.optimiser = torch.optim.AdamW(
            [p for p in self.model.parameters() if p.requires_grad],
            lr=recipe.lr,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.batch_size = recipe.batch_size

    def epoch(
        self, rows: Sequence[Sequence[int]], labels: np.ndarray, order: torch.Generator
    ) -> tuple[list[float], float]:
        """One shuffled epoch in the engine's order: the loss of each step, and the seconds of all.

        labels: (N,) int64.
        """
        self.model.train()
        began, losses = time.perf_counter(), []
        for batch in epoch_batches(len(rows), self.batch_size, order):
            self.optimiser.zero_grad()
            with self._autocast():
                out = self.model(
                    **self._batch([rows[i] for i in batch.tolist()]),
                    labels=torch.from_numpy(labels[batch.numpy()]).to(self.device),
                )
            out.loss.backward()
            self.optimiser.step()
            losses.append(out.loss.detach())
        found = torch.stack(losses).float().tolist()
        return found, time.perf_counter() - began

    @torch.no_grad()
    def logits(self, rows: Sequence[Sequence[int]]) -> Tensor:
        """(N, n_classes) float32 of rows of tokens, in their order."""
        self.model.eval()
        found = []
        for begin in range(0, len(rows), AT_A_TIME):
            with self._autocast():
                out = self.model(**self._batch(rows[begin : begin + AT_A_TIME]))
            found.append(out.logits.float().cpu())
        return torch.cat(found)

    def seconds_for(self, rows: Sequence[Sequence[int]]) -> float:
        """Seconds for the logits of these rows."""
        began = time.perf_counter()
        self.logits(rows)
        return time.perf_counter() - began

    def _batch(self, rows: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        padded = pad(rows, max(map(len, rows)), self.pad_id).to(self.device)
        return {"input_ids": padded.values, "attention_mask": padded.real.long()}

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


def padded_over_real(lengths: Sequence[int], batches: Iterable[Sequence[int]]) -> float:
    """Positions that batches padded to their longest row hold, over the tokens in them.

    lengths: tokens of each row; batches: indices of rows.
    """
    found = [[lengths[i] for i in batch] for batch in batches]
    return sum(max(batch) * len(batch) for batch in found) / sum(map(sum, found))


def obstacle(info: HFConfig, recipe: Recipe) -> str | None:
    """Why the loop would not do a recipe's work; None where it does."""
    if info.model_type not in FINAL_NORM:
        return f"{info.model_type} was not compared with it: use one of {', '.join(FINAL_NORM)}"
    defaults = Recipe(attention="native")
    if odd := next((name for name in _PLAIN if getattr(recipe, name) != getattr(defaults, name)), None):
        return f"{odd} = {getattr(recipe, odd)!r} is not in it"
    causal = info.abilities.causal
    wanted = ("last_real", "linear") if causal else ("first", "mlp")
    if (recipe.position, recipe.head) != wanted or recipe.attend_padding:
        return f"its head reads position = {wanted[0]!r} with head = {wanted[1]!r} and attend_padding = false"
    if recipe.method.kind not in LEARN or recipe.lora_dropout:
        return f"train = {recipe.train_name!r} is not in it: use upper blocks, all, or lora without dropout"
    return None


def head_layers(model: nn.Module) -> list[nn.Linear]:
    """The linear layers of the head, from the input on."""
    names = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and _is_head(n, model)]
    found = [model.get_submodule(name) for name in names]
    return [layer for layer in found if isinstance(layer, nn.Linear)]


def _model(info: HFConfig, n_classes: int, pad_id: int) -> Any:
    """The classifier with random weights, in float32, without dropout. A decoder's head has a bias, as ours has."""
    from transformers import AutoModelForSequenceClassification

    config = hf_config_of(info)
    config.num_labels, config.pad_token_id = n_classes, pad_id
    for name, value in config.to_dict().items():
        if ("dropout" in name or "pdrop" in name) and isinstance(value, float):
            setattr(config, name, 0.0)
    with quiet():
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    if info.abilities.causal:
        model.score = nn.Linear(info.width, n_classes)
    return model


def _is_head(name: str, model: nn.Module) -> bool:
    """Whether a parameter or module is of the head, which counts a pooler: it reads the state of one position."""
    prefix = str(model.base_model_prefix)
    return not name.startswith(f"{prefix}.") or name.startswith(f"{prefix}.pooler.")


def _everything(model: Any, info: HFConfig, recipe: Recipe) -> Any:
    """All parameters learn."""
    del info, recipe
    return model


def _upper_blocks(model: Any, info: HFConfig, recipe: Recipe) -> Any:
    """The head learns, and the blocks that the method names, with the norm behind them."""
    path, norm = find_blocks(model, info.n_blocks), FINAL_NORM[info.model_type]
    learning = [f"{path}.{i}." for i in range(recipe.method.frozen_below(info.n_blocks), info.n_blocks)]
    if learning and norm:
        learning.append(f"{path.rpartition('.')[0]}.{norm}.")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(tuple(learning)) or _is_head(name, model))
    return model


def _with_lora(model: Any, info: HFConfig, recipe: Recipe) -> Any:
    """The model with peft's LoRA on every linear layer of the blocks; the head learns as well."""
    from peft import LoraConfig, get_peft_model

    path = find_blocks(model, info.n_blocks)
    layers = [
        name for name, m in model.named_modules() if isinstance(m, nn.Linear) and name.startswith(f"{path}.")
    ]
    heads = {
        name.removeprefix(f"{model.base_model_prefix}.").split(".")[0]
        for name, _ in model.named_parameters()
        if _is_head(name, model)
    }
    scale = {"alpha/rank": 1.0, "alpha": recipe.lora_rank, "alpha/sqrt(rank)": recipe.lora_rank**0.5}[
        recipe.lora_scaling
    ]
    config = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha * scale,
        target_modules=layers,
        modules_to_save=sorted(heads),
    )
    with quiet():
        return get_peft_model(model, config)


# How each method is written there
LEARN: dict[str, Callable[[Any, HFConfig, Recipe], Any]] = {
    All.kind: _everything,
    TopBlocks.kind: _upper_blocks,
    Lora.kind: _with_lora,
}
