"""peft's layers in a backbone's blocks, and what its training hooks become in our loop."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gptcore.errors import UserError, first_line
from gptcore.methods.adapter import Adapter

NAME = "default"  # of the adapter, within peft's layers


def wrap(
    blocks: nn.ModuleList, kind: str, peft_config: str, settings: dict[str, Any], generator: torch.Generator
) -> Any:
    """Put peft's layers into the blocks, in place; returns its tuner.

    kind: the method's; peft_config: the class of peft that configures it, from `settings`; generator: of the start
    values. Raises UserError where peft is not installed or refuses the layers' shapes.
    """
    try:
        import peft
        from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
    except ImportError as error:
        raise UserError(f"train = {kind!r} needs the peft library: pip install -e .[hf]") from error
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    try:
        config = getattr(peft, peft_config)(**settings)
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of layers that are not a whole model of transformers'
            torch.manual_seed(seed)
            tuner = PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type](blocks, config, NAME)
    except (ValueError, AssertionError, TypeError) as error:
        reason = first_line(error)
        raise UserError(f"train = {kind!r} does not fit this model's layers: {reason}") from error
    return tuner


class PeftAdapter(Adapter):
    """Layers of peft's in a backbone."""

    def __init__(self, tuner: Any) -> None:
        super().__init__()
        self._tuner = (tuner,)  # in a tuple, as its layers are parts of the backbone already

    @property
    def tuner(self) -> Any:
        """peft's own model of the blocks."""
        return self._tuner[0]

    def merge(self) -> None:
        """Fold every wrapper into its layer."""
        self.tuner.merge_and_unload()

    def wrapped_layers(self) -> tuple[nn.Module, Mapping[str, nn.Module]]:
        """The layers in peft's."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        blocks = self.tuner.model
        layers = {
            name: layer.get_base_layer()
            for name, layer in blocks.named_modules()
            if isinstance(layer, BaseTunerLayer)
        }
        return blocks, layers


class AdaLoraAdapter(PeftAdapter):
    """AdaLoRA's penalty and budget. start, end: shares of the steps without dropping, before and after."""

    def __init__(self, tuner: Any, start: float, end: float) -> None:
        super().__init__(tuner)
        self.start, self.end = start, end

    def extra_loss(self) -> Tensor | None:
        """The mean distance of the singular vectors' products from the identity (equation 4), weighted."""
        factors = [
            matrix[NAME] @ matrix[NAME].T if matrix is module.lora_A else matrix[NAME].T @ matrix[NAME]
            for module in self.tuner.model.modules()
            if hasattr(module, "lora_E")
            for matrix in (module.lora_A, module.lora_B)
        ]
        distances = [torch.linalg.matrix_norm(found - torch.eye(len(found)).to(found)) for found in factors]
        weight: float = self.tuner.peft_config[NAME].orth_reg_weight
        return weight * torch.stack(distances).mean()

    def after_step(self, step: int, n_steps: int) -> None:
        """Judge the singular values by their gradients, and drop those that are over the budget."""
        config = self.tuner.peft_config[NAME]
        if step == 1:
            config.tinit, config.tfinal = math.floor(self.start * n_steps), math.floor(self.end * n_steps)
            config.total_step = n_steps
            self.tuner.rankallocator.set_total_step(n_steps)
        self.tuner.update_and_allocate(step)
