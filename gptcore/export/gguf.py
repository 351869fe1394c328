"""A classifier's network as a GGUF file, adapters merged, with its head beside it.

llama.cpp gives the state that the head reads: pooling "last", embeddings not normalised. It has no class heads for
these architectures, so the head is a file of its own: `head.safetensors`, tensors `weight` (n_labels, width) and `bias`
(n_labels,) float64, whose logits are weight @ state + bias, in the order of the labels in `classifier.json`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gptcore.backbones.convert.gguf_tokenizer import tokenizer_metadata
from gptcore.backbones.convert.gguf_write import gguf_obstacle, write_gguf
from gptcore.backbones.hf_load import quiet
from gptcore.classifier import TextClassifier
from gptcore.export import sequence_model as theirs
from gptcore.export.formats import ExportFormat
from gptcore.export.head import head_obstacle, linear_head, network_predictor
from gptcore.export.tokenizer_json import tokenizer_files
from gptcore.files import write_whole

MODEL, HEAD, ABOUT = "model.gguf", "head.safetensors", "classifier.json"


def obstacle(classifier: TextClassifier) -> str | None:
    """Why it is not one of the decoders that are written, read at the last token; None where it is."""
    if (reason := head_obstacle(classifier)) is not None:
        return reason
    return gguf_obstacle(_config(classifier)) or theirs.reading_obstacle(classifier)


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
    folder.mkdir(parents=True)
    write_gguf(folder / MODEL, _config(classifier), tensors, metadata)
    head = linear_head(classifier)
    about = {
        "labels": classifier.labels,
        "threshold": classifier.threshold and classifier.threshold.model_dump(),
        "pooling": "last",
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
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    head = load_file(folder / HEAD)
    with quiet(), redirect_stderr(io.StringIO()):  # its GGUF reader has a bar of its own
        # Given, as theirs leaves out what a GGUF file says of GPT-2's context and of Qwen's heads.
        config = AutoConfig.from_pretrained(folder)
        model: Any = AutoModel.from_pretrained(
            folder, gguf_file=MODEL, config=config, dtype=torch.float32, local_files_only=True
        )
    tokenizer = AutoTokenizer.from_pretrained(folder)
    parts = []
    for begin in range(0, len(texts), theirs.TEXTS_AT_A_TIME):
        some = list(texts[begin : begin + theirs.TEXTS_AT_A_TIME])
        rows = tokenizer(some, return_tensors="pt", padding=True, truncation=True)
        mask = rows["attention_mask"]
        states = model.eval()(input_ids=rows["input_ids"], attention_mask=mask).last_hidden_state
        read = states[torch.arange(len(some)), mask.sum(dim=1) - 1]  # (B, width)
        logits = read.double() @ head["weight"].t() + head["bias"]
        parts.append(logits.softmax(dim=1).numpy())
    return np.concatenate(parts)


def _config(classifier: TextClassifier) -> dict[str, Any]:
    """The content of a config.json of the network."""
    with quiet():
        config: dict[str, Any] = theirs.config_for(classifier).to_dict()
    return config


GGUF = ExportFormat(
    packages=("gguf", "transformers"),
    extra="hf",
    obstacle=obstacle,
    write=write,
    probabilities=probabilities,
)
