"""The linear layers and biases of a model's blocks, by name. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gptcore.backbones.checkpoint_files import weight_files
from gptcore.backbones.checkpoints import known_folder
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.model_info import AnyConfig
from gptcore.backbones.safetensors_header import read_headers
from gptcore.errors import UserError

# A tensor of a block in the files of other architectures, such as "model.layers.3.self_attn.q_proj.weight"
_IN_A_BLOCK = re.compile(r"(?:.+\.)?(?:layers?|h|albert_layers)\.(\d+\..+)")


@dataclass(frozen=True)
class BlockLayers:
    """What a method may be attached to in a model's blocks.

    linear: the name of a linear layer, such as "11.mlp.c_fc" -> how many inputs it has; biases: names of all biases,
    such as "11.mlp.c_fc.bias", also those of norms.
    """

    linear: Mapping[str, int]
    biases: frozenset[str]


def block_layers(shapes: Mapping[str, tuple[int, ...]]) -> BlockLayers:
    """From the shapes of the blocks' parameters by name; a matrix is (outputs, inputs)."""
    matrices = {name: shape for name, shape in shapes.items() if len(shape) == 2}
    return BlockLayers(
        linear={
            name.removesuffix(".weight"): shape[1]
            for name, shape in matrices.items()
            if name.endswith(".weight")
        },
        # Other things than a vector are called so as well: some files keep the causal mask as "attn.bias".
        biases=frozenset(n for n, shape in shapes.items() if n.endswith(".bias") and len(shape) == 1),
    )


def known_layers(model: str, config: AnyConfig) -> BlockLayers | None:
    """What a model's blocks have, where its config or the headers of its files tell; else None."""
    if isinstance(config, ModelConfig):
        return block_layers(_shapes_of_gpt2(config))
    folder = known_folder(model)
    try:
        files = weight_files(folder) if folder is not None else []
    except UserError:
        return None
    if not files or files[0].suffix != ".safetensors":
        return None
    headers = read_headers(files).items()
    found = block_layers(
        {m[1]: tensor.shape for name, tensor in headers if (m := _IN_A_BLOCK.fullmatch(name))}
    )
    return found if found.linear else None


def _shapes_of_gpt2(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Of every parameter of a GPT-2's blocks."""
    d, d_mlp = config.d_model, config.d_mlp
    matrices = {
        "attn.c_attn": (3 * d, d),
        "attn.c_proj": (d, d),
        "mlp.c_fc": (d_mlp, d),
        "mlp.c_proj": (d, d_mlp),
    }
    block: dict[str, tuple[int, ...]] = {
        f"{norm}.{kind}": (d,) for norm in ("ln_1", "ln_2") for kind in ("weight", "bias")
    }
    for name, shape in matrices.items():
        block |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return {f"{i}.{name}": shape for i in range(config.n_layer) for name, shape in block.items()}
