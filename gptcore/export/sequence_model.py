"""A classifier as a sequence classifier of `transformers`, whose head is one matrix on the last token of a text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from gptcore.backbones.base import Backbone
from gptcore.backbones.gpt import GPT
from gptcore.backbones.hf_config import HFConfig
from gptcore.backbones.huggingface import HFBackbone
from gptcore.backbones.weights import checkpoint_tensors, hf_config
from gptcore.classifier import TextClassifier
from gptcore.errors import UserError
from gptcore.export.head import LinearHead, exact, head_obstacle, linear_head, network_predictor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TEXTS_AT_A_TIME = 32


def obstacle(classifier: TextClassifier) -> str | None:
    """Why no sequence classifier of `transformers` can be this classifier; None where one can."""
    if (reason := head_obstacle(classifier)) is not None:
        return reason
    predictor = network_predictor(classifier)
    backbone = predictor.network.backbone
    if not backbone.info.abilities.causal:
        return (
            "the class that transformers has for this architecture puts a pooler or a second layer before its head: "
            "use --to onnx, or fit it with head = 'mlp' for --to hf"
        )
    if (reason := reading_obstacle(classifier) or answer_obstacle(classifier)) is not None:
        return reason
    if predictor.tokenizer.pad_id in predictor.tokenizer.suffix:
        return (
            "its texts end with the token that also fills up rows, which the head of transformers looks for"
        )
    norm = inner(backbone).get_submodule(norm_of(backbone))
    if not hasattr(norm, "bias") and bool(linear_head(classifier).bias.any()):
        return (
            "its head has a bias, that of transformers has none, and the norm before it has none to take it: fit a "
            "network with head = 'no_bias'"
        )
    return None


def answer_obstacle(classifier: TextClassifier) -> str | None:
    """Why `transformers` would answer another label from the same logits; None where it would not."""
    if classifier.threshold is None:
        return None
    return (
        f"it answers {classifier.threshold.positive!r} from a probability of {classifier.threshold.at:.4g}; "
        "transformers always answers the most probable label: fit it without --cost-false-positive"
    )


def reading_obstacle(classifier: TextClassifier) -> str | None:
    """Why a decoder's own forward pass, read at the last token of a text, is not this classifier; None where it is."""
    layout, recipe = exact(classifier), classifier.recipe
    if not layout.causal:
        return "its attention is bidirectional, and that of the architecture in transformers is causal"
    if layout.position != "last_real" or layout.keep_one_pad or not layout.drop_padding:
        return (
            f"its head reads position = {recipe.position!r} of rows with padding = {recipe.padding!r}; the one of "
            "transformers reads the last token of the text: use position = 'last_real'"
        )
    return method_obstacle(classifier)


def method_obstacle(classifier: TextClassifier) -> str | None:
    """Why no model of `transformers` has what the method has learned; None where one has."""
    recipe = classifier.recipe
    if recipe.method.n_prompt:
        return (
            f"train = {recipe.train_name!r} puts vectors before a text, which no model of transformers does"
        )
    if recipe.method.adds_keys:
        return f"train = {recipe.train_name!r} learns keys and values that no layer of transformers has"
    return None


def inner(backbone: Backbone) -> nn.Module:
    """The module whose parameters have the names of `transformers`, or nearly."""
    return backbone.model if isinstance(backbone, HFBackbone) else backbone


def norm_of(backbone: Backbone) -> str:
    """Name of the norm whose output the head reads."""
    last = set(backbone.tail.modules())
    names = [
        str(name)
        for name, module in inner(backbone).named_modules()
        if module in last and type(module).__name__.endswith("Norm")
    ]
    assert len(names) == 1
    return names[0]


def config_for(classifier: TextClassifier) -> Any:
    """The config of `transformers`, with label names and pad token."""
    from transformers import AutoConfig

    predictor = network_predictor(classifier)
    backbone, pad_id = predictor.network.backbone, predictor.tokenizer.pad_id
    labels = dict(enumerate(classifier.labels))
    said: dict[str, Any] = {
        "id2label": labels,
        "label2id": {name: i for i, name in labels.items()},
        "problem_type": "single_label_classification",
        "pad_token_id": pad_id,
        "dtype": "float32",
    }
    if isinstance(backbone, GPT):
        raw: dict[str, Any] = (
            hf_config(backbone.config) | said | {"bos_token_id": pad_id, "eos_token_id": pad_id}
        )
        del raw["tokenizer"]  # known to gptcore alone
    else:
        assert isinstance(backbone.info, HFConfig)
        raw = json.loads(backbone.info.raw) | said
    raw.pop("architectures", None)
    return AutoConfig.for_model(raw.pop("model_type"), **raw)


def sequence_model(classifier: TextClassifier, backbone: Backbone) -> PreTrainedModel:
    """Theirs with the weights of a backbone without adapters, and a head that is not filled yet."""
    from transformers import AutoModelForSequenceClassification

    make: Any = AutoModelForSequenceClassification.from_config
    model: PreTrainedModel = make(config_for(classifier))
    weights = (
        checkpoint_tensors(backbone) if isinstance(backbone, GPT) else inner(backbone).cpu().state_dict()
    )
    weights = {name: tensor for name, tensor in weights.items() if "lm_head" not in name}
    found = model.base_model.load_state_dict(weights, strict=False)
    assert not found.unexpected_keys
    assert all(name.startswith("pooler.") for name in found.missing_keys)  # it is of the head
    model.eval()
    return model


@torch.no_grad()
def fill_head(norm: nn.Module, score: nn.Module, head: LinearHead) -> None:
    """Put the head into `score`, which has no bias, in place: the norm before it takes the bias, where it has one.

    The norm's bias is read by the head alone, so W (x + d) with W d = b is W x + b. Raises UserError where no d is.
    """
    assert isinstance(score.weight, Tensor)
    score.weight.copy_(head.weight)
    if hasattr(norm, "bias"):
        assert isinstance(norm.bias, Tensor)
        norm.bias.copy_(norm.bias.double() + shift_for(head))


def shift_for(head: LinearHead) -> Tensor:
    """d (width,) with W d = b. Raises UserError where there is none."""
    shift: Tensor = torch.linalg.lstsq(head.weight, head.bias[:, None], driver="gelsd").solution[:, 0]
    if not torch.allclose(head.weight @ shift, head.bias, atol=1e-6):
        raise UserError(
            "the head's bias cannot be expressed, as that of transformers has none: the classes outnumber the width of "
            "the model"
        )
    return shift


@torch.no_grad()
def answers(model: Any, folder: Path, texts: Sequence[str]) -> np.ndarray:
    """(N, n_labels) that a model gives with the tokenizer of a folder, batches padded."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    parts = []
    for begin in range(0, len(texts), TEXTS_AT_A_TIME):
        some = list(texts[begin : begin + TEXTS_AT_A_TIME])
        rows = tokenizer(some, return_tensors="pt", padding=True, truncation=True)
        logits = model(input_ids=rows["input_ids"], attention_mask=rows["attention_mask"]).logits
        parts.append(logits.double().softmax(dim=1).numpy())
    return np.concatenate(parts)
