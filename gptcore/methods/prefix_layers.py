"""Learned keys and values in the attention of blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gptcore.backbones.base import Attend, Backbone, KeysAndValues
from gptcore.backbones.hf_attention import AnyValues
from gptcore.methods.adapter import Adapter


class LearnedKeys(nn.Module):
    """Keys and values of one block, each (n, n_head, d_head); of fewer heads where several queries share them."""

    def __init__(self, shape: tuple[int, ...], device: torch.device) -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.zeros(shape, device=device))
        self.values = nn.Parameter(torch.zeros(shape, device=device))

    def forward(self) -> KeysAndValues:
        """The two."""
        return self.keys, self.values


class PrefixAdapter(Adapter):
    """The prefixes of a backbone's upper blocks, by the module that has them.

    tokens: (n,) int64, whose keys and values they start as.
    """

    def __init__(self, backbone: Backbone, layers: dict[nn.Module, LearnedKeys], tokens: Tensor) -> None:
        super().__init__()
        self._attached = (backbone, layers, tokens)  # in a tuple, as they are parts of the backbone already

    @torch.no_grad()
    def initialise(self, attend: Attend) -> None:
        """Those that the model makes of the tokens, as a text of their own that no prefix is seen by."""
        backbone, layers, tokens = self._attached
        for module in layers:
            module.register_module("prefix", None)
        made = backbone.keys_and_values(tokens, attend)[-len(layers) :]
        for (module, layer), (_, (keys, values)) in zip(layers.items(), made, strict=True):
            layer.keys.copy_(keys)
            layer.values.copy_(values)
            module.prefix = layer


def attach_prefixes(backbone: Backbone, n: int, first: int, generator: torch.Generator) -> PrefixAdapter:
    """Give every block from number `first` on a prefix of n keys and values, zero until `initialise`."""
    device = backbone.embedding.weight.device
    tokens = torch.randint(backbone.embedding.num_embeddings, (n,), generator=generator).to(device)
    found = backbone.keys_and_values(tokens[:1], AnyValues(backbone.info.abilities.causal))[first:]
    layers = {module: LearnedKeys((n, *keys.shape[1:]), device) for module, (keys, _) in found}
    for module, layer in layers.items():
        module.prefix = layer
    return PrefixAdapter(backbone, layers, tokens)
