"""LoRA's layers (Hu et al. 2021): frozen, with a trained low-rank update."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcore.backbones.base import Backbone
from gptcore.errors import UserError
from gptcore.methods.adapter import Adapter
from gptcore.methods.targets import NO_BIASES, is_target, unmatched


class LoRALinear(nn.Module):
    """y = W x + b + scale * B A dropout(x), with W and b frozen (section 4.1).

    lora_A: (rank, in_features), uniform as in nn.Linear; lora_B: (out_features, rank), zero, so that training
    starts from the unchanged layer.
    """

    def __init__(
        self, linear: nn.Linear, rank: int, scale: float, dropout: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.linear, self.scale, self.dropout = linear, scale, nn.Dropout(dropout)
        linear.requires_grad_(False)
        device = linear.weight.device
        lora_a = torch.empty(rank, linear.in_features)
        nn.init.kaiming_uniform_(lora_a, a=math.sqrt(5), generator=generator)
        self.lora_A = nn.Parameter(lora_a.to(device))
        self.lora_B = nn.Parameter(torch.zeros(linear.out_features, rank, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in_features) -> (..., out_features)."""
        rows = x.flatten(0, -2)
        out: Tensor = self.linear(rows)
        low = F.linear(self.dropout(rows), self.lora_A)  # (N, rank)
        # The scale goes into the small matrix and the sum into the product, in place: no pass over the outputs is
        # added. Autocast leaves what is in place alone.
        out.addmm_(low.to(out.dtype), (self.scale * self.lora_B).t().to(out.dtype))
        return out.view(*x.shape[:-1], -1)

    def effective_linear(self) -> tuple[Tensor, Tensor] | None:
        """W + scale * B A (out_features, in_features) and b; None while dropout acts, as no one weight does that."""
        return None if self.training and self.dropout.p else (self._updated_weight(), self.linear.bias)

    def _updated_weight(self) -> Tensor:
        return self.linear.weight + self.scale * (self.lora_B @ self.lora_A)

    def merged(self) -> nn.Linear:
        """One linear layer that computes the same (in evaluation mode, within rounding)."""
        has_bias, device = self.linear.bias is not None, self.linear.weight.device
        linear = nn.Linear(self.linear.in_features, self.linear.out_features, bias=has_bias, device=device)
        with torch.no_grad():
            linear.weight.copy_(self._updated_weight())
            if has_bias:
                linear.bias.copy_(self.linear.bias)
        return linear


def scale_of(alpha: float, rank: int, scaling: str) -> float:
    """The factor of an update; scaling: see `gptcore.methods.lora.Lora`."""
    return alpha / {"alpha/rank": rank, "alpha": 1, "alpha/sqrt(rank)": math.sqrt(rank)}[scaling]


def inject_lora(
    blocks: nn.ModuleList,
    *,
    rank: int,
    alpha: float,
    dropout: float,
    targets: Sequence[str],
    scaling: str,
    generator: torch.Generator,
) -> None:
    """Replace, in place, every linear layer of the blocks whose name ends in one of `targets`; "all-linear" names all.

    An output layer is outside the blocks, so it is never among them. Raises UserError for a target that names no layer.
    """
    scale = scale_of(alpha, rank, scaling)
    linear = {name: m for name, m in blocks.named_modules() if isinstance(m, nn.Linear)}
    if (problem := unmatched(targets, list(linear))) is not None:
        raise UserError(problem)
    for name, module in linear.items():
        if not is_target(name, targets):
            continue
        parent, _, attribute = name.rpartition(".")
        lora = LoRALinear(module, rank, scale, dropout, generator)
        setattr(blocks.get_submodule(parent), attribute, lora)


def train_biases(blocks: nn.ModuleList, tail: nn.Module, *, only_with_update: bool) -> None:
    """Let biases learn, in place: those of layers with an update, or else all of the blocks and of what follows them.

    Raises UserError where there is none.
    """
    if only_with_update:
        linear = [module.linear for module in blocks.modules() if isinstance(module, LoRALinear)]
        found = [layer.bias for layer in linear if layer.bias is not None]
    else:
        named = [*blocks.named_parameters(), *tail.named_parameters()]
        found = [p for name, p in named if name.rpartition(".")[2] == "bias"]
    if not found:
        raise UserError(NO_BIASES)
    for bias in found:
        bias.requires_grad_(True)


class LoraAdapter(Adapter):
    """The low-rank updates that a backbone holds."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self._backbone = (backbone,)  # in a tuple, as it is not a part of this module

    def merge(self) -> None:
        """Fold every update into its layer."""
        merge_lora(self._backbone[0])

    def wrapped_layers(self) -> tuple[nn.Module, Mapping[str, nn.Module]]:
        """The layers below the updates."""
        backbone = self._backbone[0]
        return backbone, {name: layer.linear for name, layer in lora_layers(backbone).items()}


def lora_layers(backbone: Backbone) -> dict[str, LoRALinear]:
    """Every LoRA layer by its name in the backbone, such as `h.0.attn.c_attn`."""
    return {name: module for name, module in backbone.named_modules() if isinstance(module, LoRALinear)}


def merge_lora(backbone: Backbone) -> None:
    """Fold every adapter into its layer, in place; without adapters nothing changes."""
    for name, lora in lora_layers(backbone).items():
        parent, _, attribute = name.rpartition(".")
        setattr(backbone.get_submodule(parent), attribute, lora.merged())
