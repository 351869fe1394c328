"""Encoders as sequence classifiers of `transformers`, whose head has a hidden layer, as ours with head = "mlp" has."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from gptcore.backbones.hf_config import HFConfig
from gptcore.classifier import TextClassifier
from gptcore.export.head import exact, head_layers, network_predictor

# By `model_type`: the hidden layer and the output layer, as the classes of transformers call them.
LAYERS = {
    "bert": ("bert.pooler.dense", "classifier"),
    "roberta": ("classifier.dense", "classifier.out_proj"),
    "xlm-roberta": ("classifier.dense", "classifier.out_proj"),
    "electra": ("classifier.dense", "classifier.out_proj"),
    "distilbert": ("pre_classifier", "classifier"),
    "deberta-v2": ("pooler.dense", "classifier"),
    "albert": ("albert.pooler", "classifier"),
}


def head_obstacle(classifier: TextClassifier) -> str | None:
    """Why an encoder's head is not that of its class in `transformers`; None where it is."""
    info = _info(classifier)
    if info.model_type not in LAYERS:
        return f"the head of {info.model_type} in transformers has more than two layers: use --to onnx"
    head = head_layers(classifier)
    theirs = f"that of {info.model_type} in transformers has a hidden layer of {info.width} with {info.head_activation}"
    if len(head.layers) != 2:
        return f"its head is one matrix, and {theirs}: fit a network with head = 'mlp', or use --to onnx"
    if (len(head.layers[0].weight), head.activation) != (info.width, info.head_activation):
        return (
            f"its head has a hidden layer of {len(head.layers[0].weight)} with {head.activation}, and {theirs}: "
            "fit a network, such as train = 'last_layer', or use --to onnx"
        )
    layout = exact(classifier)
    if layout.causal or layout.causal_lower_half:
        return "its attention is causal, and that of the architecture in transformers is not: use --to onnx"
    if layout.position != "first" or layout.side != "right" or not layout.drop_padding:
        recipe = classifier.recipe
        return (
            f"its head reads position = {recipe.position!r} of rows with padding = {recipe.padding!r}, attend_padding "
            f"= {str(recipe.attend_padding).lower()}; the one of transformers reads the first token, and hides "
            "padding: use position = 'first' with attend_padding = false, or --to onnx"
        )
    return None


@torch.no_grad()
def fill_layers(model: Any, classifier: TextClassifier) -> None:
    """Put the head into the two layers of a sequence classifier, in place."""
    names = LAYERS[_info(classifier).model_type]
    for name, ours in zip(names, head_layers(classifier).layers, strict=True):
        layer = model.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        layer.weight.copy_(ours.weight)
        layer.bias.copy_(ours.bias)


def _info(classifier: TextClassifier) -> HFConfig:
    info = network_predictor(classifier).network.backbone.info
    assert isinstance(info, HFConfig)  # GPT-2 is no encoder
    return info
