"""What every export starts from: the network, and its head as one matrix and one vector, or two of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gptcore.backbones.info import HeadActivation
from gptcore.classifier import TextClassifier
from gptcore.engine.classifier import Classifier
from gptcore.engine.head import MlpHead
from gptcore.engine.layout import Layout, exact_layout
from gptcore.training.network_predictors import FeaturesPredictor, NetworkPredictor
from gptcore.training.small_mlp import MlpFit

NO_NETWORK = "it has no network, as TF-IDF counts words: use --to numpy"


@dataclass(frozen=True, eq=False)
class LinearHead:
    """weight (n_labels, width) and bias (n_labels,) float64: softmax(weight x + bias) is the answer to a state x."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True, eq=False)
class HeadLayers:
    """One layer, or two with an activation between them; the last one gives the logits."""

    layers: tuple[LinearHead, ...]
    activation: HeadActivation | None = None


def head_obstacle(classifier: TextClassifier) -> str | None:
    """Why its answer is not a linear head on the states of a network; None where it is."""
    if predictor_of(classifier) is None:
        return NO_NETWORK
    if classifier.recipe.head == "mlp":
        return (
            "head = 'mlp' has a hidden layer, for which there is no place: fit it with head = 'linear', or use "
            "--to onnx"
        )
    return None


def predictor_of(classifier: TextClassifier) -> NetworkPredictor | FeaturesPredictor | None:
    """What computes states of texts; None for TF-IDF."""
    found = classifier.predictor
    return found if isinstance(found, NetworkPredictor | FeaturesPredictor) else None


def network_predictor(classifier: TextClassifier) -> NetworkPredictor | FeaturesPredictor:
    """The same, of a classifier that has a network."""
    found = predictor_of(classifier)
    assert found is not None
    return found


def exact(classifier: TextClassifier) -> Layout:
    """Which tokens its answer depends on, whatever engine it was trained with."""
    network: Classifier = network_predictor(classifier).network
    return exact_layout(classifier.recipe, network.backbone.info.abilities)


def linear_head(classifier: TextClassifier) -> LinearHead:
    """The head of a classifier without an obstacle, with the temperature in it."""
    (head,) = head_layers(classifier).layers
    return head


def head_layers(classifier: TextClassifier) -> HeadLayers:
    """The head with the temperature in it; of `features` the scaler and what was fitted behind it."""
    predictor = network_predictor(classifier)
    if isinstance(predictor, NetworkPredictor):
        head = predictor.network.head
        if isinstance(head, MlpHead):
            activation = predictor.network.backbone.info.head_activation
            return HeadLayers((_layer(head.dense), _cooled(_layer(head.out), classifier)), activation)
        assert isinstance(head, nn.Linear)
        return HeadLayers((_cooled(_layer(head), classifier),))
    learned = {name: torch.from_numpy(array) for name, array in predictor.learned().items()}
    if isinstance(predictor.fitted, MlpFit):
        hidden = _on_scaled(learned["hidden.weight"].t(), learned["hidden.bias"], learned)
        out = _of_all_classes(LinearHead(learned["out.weight"].t(), learned["out.bias"]))
        return HeadLayers((hidden, _cooled(out, classifier)), "relu")
    fitted = _of_all_classes(_on_scaled(learned["coefficients"], learned["intercepts"], learned))
    return HeadLayers((_cooled(fitted, classifier),))


def _layer(layer: nn.Linear) -> LinearHead:
    return LinearHead(layer.weight.detach().cpu().double(), layer.bias.detach().cpu().double())


def _on_scaled(weight: Tensor, bias: Tensor, learned: Mapping[str, Tensor]) -> LinearHead:
    """A layer behind a scaler, on what the scaler reads."""
    weight = weight / learned["scale"]
    return LinearHead(weight, bias - weight @ learned["mean"])


def _of_all_classes(head: LinearHead) -> LinearHead:
    """With a logit for each class: of two, scikit-learn keeps that of the second alone."""
    if len(head.weight) > 1:
        return head
    weight, bias = (torch.cat([torch.zeros_like(part), part]) for part in (head.weight, head.bias))
    return LinearHead(weight, bias)


def _cooled(head: LinearHead, classifier: TextClassifier) -> LinearHead:
    return LinearHead(head.weight / classifier.temperature, head.bias / classifier.temperature)
