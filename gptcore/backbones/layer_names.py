"""The linear layers of a model's blocks, by name. Imports no torch."""

from __future__ import annotations

import re

from gptcore.backbones.checkpoint_files import weight_files
from gptcore.backbones.checkpoints import known_folder
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.model_info import AnyConfig
from gptcore.backbones.safetensors_header import read_headers
from gptcore.errors import UserError

LINEAR_LAYERS = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
# A matrix of a block in the files of other architectures, such as "model.layers.3.self_attn.q_proj.weight"
_IN_A_BLOCK = re.compile(r"(?:.+\.)?(?:layers?|h|albert_layers)\.(\d+\..+)\.weight")


def linear_layers(n_layer: int) -> list[str]:
    """The name of every linear layer within a GPT-2's blocks, such as "11.mlp.c_fc"."""
    return [f"{i}.{layer}" for i in range(n_layer) for layer in LINEAR_LAYERS]


def known_layers(model: str, config: AnyConfig) -> list[str] | None:
    """The linear layers of a model's blocks, where its config or the headers of its files tell them; else None."""
    if isinstance(config, ModelConfig):
        return linear_layers(config.n_layer)
    folder = known_folder(model)
    try:
        files = weight_files(folder) if folder is not None else []
    except UserError:
        return None
    if not files or files[0].suffix != ".safetensors":
        return None
    matrices = [name for name, tensor in read_headers(files).items() if len(tensor.shape) == 2]
    return [found[1] for name in matrices if (found := _IN_A_BLOCK.fullmatch(name))] or None
