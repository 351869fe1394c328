"""Weights in and out: Hugging Face GPT-2 checkpoints, the bundled models, random initialisation.

A checkpoint is a folder with `config.json` and `model.safetensors` (or `pytorch_model.bin`, or either in shards) in
the layout of `transformers`' GPT-2, so what we save opens there too.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gptcore.backbones.checkpoint_files import WEIGHT_FILES, printable, weight_files
from gptcore.backbones.checkpoints import checkpoint_folder
from gptcore.backbones.config import ModelConfig, model_entry
from gptcore.backbones.gpt import GPT, init_gpt2_weights
from gptcore.backbones.gpt2_config import read_config
from gptcore.backbones.safetensors_header import TensorInfo
from gptcore.backbones.tensor_names import match_tensors
from gptcore.errors import UserError, first_line
from gptcore.files import replacing, usual_mode, write_whole

# GPT-2's checkpoints keep these as Conv1D: (in, out), the transpose of nn.Linear.
_CONV1D = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
_DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def random_gpt(model: str | ModelConfig, seed: int) -> GPT:
    """A GPT with GPT-2's random initialisation from its own generator (the global one stays untouched)."""
    config = model_entry(model).config if isinstance(model, str) else model
    gpt = _empty_gpt(config)
    gpt.to_empty(device="cpu")
    init_gpt2_weights(gpt, torch.Generator().manual_seed(seed))
    return gpt


def load_gpt(name_or_path: str | Path) -> GPT:
    """Pretrained GPT in float32 from a registry name, a checkpoint folder, or a hub id.

    Raises UserError where the weights are not available or do not fit their config, naming the tensors.
    """
    folder = checkpoint_folder(name_or_path)
    gpt = _empty_gpt(read_config(folder))
    load_tensors(gpt, _read_all(weight_files(folder)), where=str(folder))
    return gpt


def load_tensors(gpt: GPT, tensors: dict[str, Tensor], where: str) -> None:
    """Put a checkpoint's tensors into `gpt` as float32.

    Those that are float32 already are not copied: they stay views of the mapped file, transposed where the
    layouts differ, so that of a large model only what is used comes into memory.

    `gpt.notes` says what was left out. Raises UserError that names missing, surplus and misshapen tensors,
    and one with values that are not finite.
    """
    infos = {
        name: TensorInfo(_DTYPES.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape))
        for name, tensor in tensors.items()
    }
    match = match_tensors(infos, gpt.config, where)
    ready = {
        name: (tensors[there].t() if name.endswith(_CONV1D) else tensors[there]).to(torch.float32)
        for name, there in match.names.items()
    }
    for name, tensor in ready.items():
        if not bool(tensor.isfinite().all()):
            raise UserError(
                f"{where}: {name} holds values that are not finite: the file is damaged, save it again"
            )
    gpt.load_state_dict(ready, assign=True)
    gpt.notes = match.notes
    for parameter in gpt.parameters():
        parameter.requires_grad_(True)


def save_gpt(gpt: GPT, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write `model.safetensors` and `config.json` that `load_gpt` and `transformers` open.

    In float32 the weights come back bit for bit.
    """
    from safetensors.torch import save_file

    tensors = {name: tensor.to(dtype) for name, tensor in checkpoint_tensors(gpt).items()}
    with replacing(folder / WEIGHT_FILES[0]) as part:
        save_file(tensors, part, metadata={"format": "pt"})
        usual_mode(part)
    write_whole(folder / "config.json", json.dumps(hf_config(gpt.config), indent=2) + "\n")


def checkpoint_tensors(gpt: GPT) -> dict[str, Tensor]:
    """The weights by their names and in the layout of a checkpoint."""
    named = gpt.state_dict().items()
    return {name: (tensor.t() if name.endswith(_CONV1D) else tensor).contiguous() for name, tensor in named}


def weights_fingerprint(backbone: nn.Module) -> str:
    """SHA-256 over every tensor's name, shape and float32 bytes."""
    digest = hashlib.sha256()
    for name, tensor in backbone.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(memoryview(tensor.detach().to("cpu", torch.float32).contiguous().numpy()).cast("B"))
    return digest.hexdigest()


def _empty_gpt(config: ModelConfig) -> GPT:
    with torch.device("meta"):  # allocates nothing: every tensor is assigned afterwards
        return GPT(config)


def _read_all(paths: Sequence[Path]) -> dict[str, Tensor]:
    """The tensors of all shards. Raises UserError where a name is in two of them."""
    tensors: dict[str, Tensor] = {}
    for path in paths:
        read = _read_tensors(path)
        if twice := tensors.keys() & read.keys():
            raise UserError(f"{path}: the tensor {printable(min(twice))} is in another shard as well")
        tensors |= read
    return tensors


def _read_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        # weights_only: a pickle that holds anything but tensors is refused, never run
        mmap = zipfile.is_zipfile(path)  # files of torch < 1.6, such as GPT-2's own, cannot be mapped
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:  # torch's answer to a hostile or foreign file
        raise UserError(f"{path} holds more than tensors and is refused") from error
    except Exception as error:  # a damaged file can break its reader in any way
        reason = first_line(error)
        raise UserError(f"{path} cannot be read: {reason}") from error
    if not isinstance(loaded, dict) or not all(isinstance(t, Tensor) for t in loaded.values()):
        raise UserError(f"{path} is not a state dict of tensors")
    return loaded


def hf_config(config: ModelConfig) -> dict[str, object]:
    """What a Hugging Face `config.json` of this shape says."""
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "n_embd": config.d_model,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_positions": config.context,
        "n_ctx": config.context,
        "vocab_size": config.vocab_size,
        "bos_token_id": config.vocab_size - 1,  # <|endoftext|> is the last id of both vocabularies
        "eos_token_id": config.vocab_size - 1,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "tie_word_embeddings": config.tie_output,
        "n_inner": config.n_inner,
        "activation_function": config.activation,
        "scale_attn_weights": config.scale_attn_weights,
        "scale_attn_by_inverse_layer_idx": config.scale_attn_by_inverse_layer_idx,
        "tokenizer": config.tokenizer,
    }
