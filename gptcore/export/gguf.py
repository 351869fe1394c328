"""A classifier's network as a GGUF file, adapters merged, with its head beside it.

llama.cpp gives the state that the head reads: the file names the pooling, and embeddings must not be normalised. The
head is a file of its own, as llama.cpp has class heads for a few architectures only: `head.safetensors`, tensors
`weight` (n_labels, width) and `bias` (n_labels,) float64, whose logits are weight @ state + bias, in the order of the
labels in `classifier.json`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gptcore.backbones.convert.gguf_families import WRITTEN
from gptcore.backbones.convert.gguf_file import open_gguf
from gptcore.backbones.convert.gguf_vocabulary import tokenizer_metadata
from gptcore.backbones.convert.gguf_write import gguf_names, gguf_obstacle, write_gguf
from gptcore.backbones.gpt import GPT
from gptcore.backbones.hf_load import quiet
from gptcore.backbones.tokenizer_json import tokenizer_files
from gptcore.backbones.weights import hf_config
from gptcore.classifier import TextClassifier
from gptcore.export import sequence_model as theirs
from gptcore.export.formats import ExportFormat
from gptcore.export.head import exact, head_obstacle, linear_head, network_predictor
from gptcore.files import write_whole

MODEL, HEAD, ABOUT = "model.gguf", "head.safetensors", "classifier.json"
# Position of the head -> what llama.cpp calls it, and how it is made from states (B, T, width) and a mask (B, T)
POOLING: dict[str, tuple[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "first": ("cls", lambda states, _mask: states[:, 0]),
    "last_real": ("last", lambda states, mask: states[torch.arange(len(states)), mask.sum(dim=1) - 1]),
    "mean_real": ("mean", lambda states, mask: (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)),
}


def obstacle(classifier: TextClassifier) -> str | None:
    """Why it is not one of the networks that are written, read where llama.cpp can read; None where it is."""
    if (reason := head_obstacle(classifier)) is not None:
        return reason
    return (
        gguf_obstacle(_config_to_check(classifier))
        or _reading_obstacle(classifier)
        or theirs.method_obstacle(classifier)
    )


def _reading_obstacle(classifier: TextClassifier) -> str | None:
    """Why the states of llama.cpp, pooled as it can, are not what the head reads; None where they are."""
    layout, recipe = exact(classifier), classifier.recipe
    if layout.causal != _is_causal(classifier) or layout.causal_lower_half:
        return f"attention = {recipe.attention!r}, and llama.cpp has that of the architecture: use 'native'"
    if layout.position not in POOLING or layout.keep_one_pad or not layout.drop_padding:
        return (
            f"its head reads position = {recipe.position!r} of rows with padding = {recipe.padding!r}, attend_padding "
            f"= {str(recipe.attend_padding).lower()}; llama.cpp knows texts without padding: use attend_padding = "
            f"false with one of {', '.join(map(repr, POOLING))}"
        )
    return None


def _is_causal(classifier: TextClassifier) -> bool:
    return network_predictor(classifier).network.backbone.info.abilities.causal


def write(classifier: TextClassifier, folder: Path) -> None:
    """Write network, head, tokenizer and `classifier.json`; adapters are merged in place. Raises UserError."""
    from safetensors.torch import save

    predictor = network_predictor(classifier)
    tokenizer, length = predictor.tokenizer, predictor.tokens_per_row
    files: dict[str, str | bytes] = {**tokenizer_files(tokenizer, length)}
    network = predictor.network
    network.adapter.merge()
    state = theirs.inner(network.backbone).cpu().state_dict()
    tensors = {name: tensor.float().numpy() for name, tensor in state.items()}
    around = (tokenizer.pad_id, tokenizer.prefix, tokenizer.suffix)
    n_rows = network.backbone.info.vocab_size
    metadata = tokenizer_metadata(json.loads(files["tokenizer.json"]), n_rows, *around)
    position = exact(classifier).position
    pooling, _ = POOLING[position]
    folder.mkdir(parents=True)
    write_gguf(folder / MODEL, _config(classifier), tensors, metadata, pooling)
    head = linear_head(classifier)
    about = {
        "labels": classifier.labels,
        "threshold": classifier.threshold and classifier.threshold.model_dump(),
        "position": position,
        "pooling": pooling,
        "length": length,
    }
    files[HEAD] = save({"weight": head.weight.contiguous(), "bias": head.bias.contiguous()})
    files[ABOUT] = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    files["config.json"] = json.dumps(_config(classifier), indent=1) + "\n"
    for name, content in files.items():
        write_whole(folder / name, content)


@torch.no_grad()
def probabilities(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """(N, n_labels): states that `transformers` gives from the GGUF file, through the head's file."""
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    head = load_file(folder / HEAD)
    _, pool = POOLING[json.loads((folder / ABOUT).read_text(encoding="utf-8"))["position"]]
    with quiet(), redirect_stderr(io.StringIO()):  # its GGUF reader has a bar of its own
        model = _open(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    parts = []
    for begin in range(0, len(texts), theirs.TEXTS_AT_A_TIME):
        some = list(texts[begin : begin + theirs.TEXTS_AT_A_TIME])
        rows = tokenizer(some, return_tensors="pt", padding=True, truncation=True)
        mask = rows["attention_mask"]
        states = model(input_ids=rows["input_ids"], attention_mask=mask).last_hidden_state
        logits = pool(states.double(), mask) @ head["weight"].t() + head["bias"]  # (B, n_labels)
        parts.append(logits.softmax(dim=1).numpy())
    return np.concatenate(parts)


def _open(folder: Path) -> Any:
    """The model of `transformers` from the file, by its own reader where that knows the architecture."""
    from transformers import AutoConfig, AutoModel

    # Given, as theirs leaves out what a GGUF file says of GPT-2's context and of Qwen's heads.
    config = AutoConfig.from_pretrained(folder)
    how = WRITTEN[config.model_type]
    if how.in_transformers:
        model: Any = AutoModel.from_pretrained(
            folder, gguf_file=MODEL, config=config, dtype=torch.float32, local_files_only=True
        )
        return model.eval()
    model = AutoModel.from_config(config, dtype=torch.float32)
    wanted = [name for name in model.state_dict() if not name.startswith("pooler.")]  # it is of their head
    _, tensors = open_gguf(folder / MODEL)
    names = gguf_names(config.to_dict(), wanted)
    with torch.no_grad():
        for name, there in names.items():
            values = torch.from_numpy(how.undo(there, tensors[there].read(), config.to_dict()).copy())
            wanted_rows = model.get_parameter(name)[
                -len(values) :
            ]  # RoBERTa's first positions are not in the file
            wanted_rows.copy_(values)
    return model.eval()


def _config(classifier: TextClassifier) -> dict[str, Any]:
    """The content of a config.json of the network."""
    with quiet():
        config: dict[str, Any] = theirs.config_for(classifier).to_dict()
    return config


def _config_to_check(classifier: TextClassifier) -> dict[str, Any]:
    """As much of it as `gguf_obstacle` reads: of a GPT, which needs no `transformers`, without it."""
    backbone = network_predictor(classifier).network.backbone
    return hf_config(backbone.config) if isinstance(backbone, GPT) else _config(classifier)


GGUF = ExportFormat(
    packages=("gguf", "transformers"),
    extra="hf",
    obstacle=obstacle,
    write=write,
    probabilities=probabilities,
)
