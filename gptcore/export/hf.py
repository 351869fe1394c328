"""A classifier as a folder that transformers' AutoModelForSequenceClassification and AutoTokenizer open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gptcore.backbones.gpt import GPT
from gptcore.backbones.weights import hf_config, save_gpt
from gptcore.classifier import TextClassifier
from gptcore.errors import UserError
from gptcore.export.formats import ExportFormat
from gptcore.export.head import LinearHead, exact, head_obstacle, linear_head, network_predictor
from gptcore.export.tokenizer_json import tokenizer_files
from gptcore.files import write_whole

WEIGHTS = "model.safetensors"
TEXTS_AT_A_TIME = 32


def obstacle(classifier: TextClassifier) -> str | None:
    """Why `transformers`' GPT2ForSequenceClassification cannot be this classifier; None where it can."""
    if (reason := head_obstacle(classifier)) is not None:
        return reason
    if not isinstance(network_predictor(classifier).network.backbone, GPT):
        return "its model does not have GPT-2's shape"
    layout, recipe = exact(classifier), classifier.recipe
    if not layout.causal:
        return "its attention is bidirectional, and GPT-2's in transformers is causal"
    if layout.position != "last_real" or layout.keep_one_pad or not layout.drop_padding:
        return (
            f"its head reads position = {recipe.position!r} of rows with padding = {recipe.padding!r}; the one of "
            "transformers reads the last token of the text: use position = 'last_real'"
        )
    if recipe.method.adds_keys:
        return f"train = {recipe.train_name!r} learns keys and values that no layer of GPT-2's in transformers has"
    if classifier.threshold is not None:
        return (
            f"it answers {classifier.threshold.positive!r} from a probability of {classifier.threshold.at:.4g}; "
            "transformers always answers the most probable label: fit it without --cost-false-positive"
        )
    return None


def write(classifier: TextClassifier, folder: Path) -> None:
    """Write the folder; adapters are merged in place. Raises UserError for a head of more classes than the width."""
    predictor = network_predictor(classifier)
    predictor.network.adapter.merge()
    backbone = predictor.network.backbone
    assert isinstance(backbone, GPT)
    _write_weights(backbone, linear_head(classifier), folder)
    labels = dict(enumerate(classifier.labels))
    config = hf_config(backbone.config) | {
        "architectures": ["GPT2ForSequenceClassification"],
        "id2label": labels,
        "label2id": {name: i for i, name in labels.items()},
        "problem_type": "single_label_classification",
        "pad_token_id": predictor.tokenizer.pad_id,
        "bos_token_id": predictor.tokenizer.pad_id,
        "eos_token_id": predictor.tokenizer.pad_id,
        "dtype": "float32",
    }
    del config["tokenizer"]  # known to gptcore alone
    write_whole(folder / "config.json", json.dumps(config, indent=1) + "\n")
    for name, content in tokenizer_files(predictor.tokenizer, predictor.tokens_per_row).items():
        write_whole(folder / name, content)


def _write_weights(backbone: GPT, head: LinearHead, folder: Path) -> None:
    """The checkpoint with transformers' names.

    Its head has no bias. The last norm's bias is read by the head alone, so W (x + d) with W d = b is W x + b.
    """
    from safetensors.torch import load_file, save_file

    save_gpt(backbone.cpu(), folder)
    found = {f"transformer.{name}": tensor for name, tensor in load_file(folder / WEIGHTS).items()}
    found = {name: tensor for name, tensor in found.items() if "lm_head" not in name}
    norm = "transformer.ln_f.bias"
    found[norm] = (found[norm].double() + shift_for(head)).float()
    found["score.weight"] = head.weight.float().contiguous()
    save_file(found, folder / WEIGHTS, metadata={"format": "pt"})


def shift_for(head: LinearHead) -> Tensor:
    """d (width,) with W d = b. Raises UserError where there is none."""
    shift: Tensor = torch.linalg.lstsq(head.weight, head.bias[:, None], driver="gelsd").solution[:, 0]
    if not torch.allclose(head.weight @ shift, head.bias, atol=1e-6):
        raise UserError(
            "the head's bias cannot be expressed, which that of transformers does not have: the classes outnumber the "
            "width of the model"
        )
    return shift


def probabilities(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """(N, n_labels) that transformers gives, batches padded."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    parts = []
    for begin in range(0, len(texts), TEXTS_AT_A_TIME):
        some = list(texts[begin : begin + TEXTS_AT_A_TIME])
        rows = tokenizer(some, return_tensors="pt", padding=True, truncation=True)
        with torch.no_grad():
            logits = model(input_ids=rows["input_ids"], attention_mask=rows["attention_mask"]).logits
        parts.append(logits.double().softmax(dim=1).numpy())
    return np.concatenate(parts)


HF = ExportFormat(
    packages=("transformers",),
    extra="hf",
    obstacle=obstacle,
    write=write,
    probabilities=probabilities,
)
