"""What every export starts from: the network, and its head as one matrix and one vector."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gptcore.classifier import TextClassifier
from gptcore.engine.classifier import Classifier
from gptcore.engine.layout import Layout, exact_layout
from gptcore.training.predictors import FeaturesPredictor, NetworkPredictor

NO_NETWORK = "it has no network: TF-IDF counts words"


@dataclass(frozen=True, eq=False)
class LinearHead:
    """weight (n_labels, width) and bias (n_labels,) float64: softmax(weight x + bias) is the answer to a state x."""

    weight: Tensor
    bias: Tensor


def head_obstacle(classifier: TextClassifier) -> str | None:
    """Why its answer is not a linear head on the states of a network; None where it is."""
    if predictor_of(classifier) is None:
        return NO_NETWORK
    if classifier.recipe.head == "mlp":
        return f"head = {classifier.recipe.head!r} cannot be exported yet: fit it with head = 'linear'"
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
    """The head with the temperature in it; for `features` the scaler and the logistic regression."""
    predictor = network_predictor(classifier)
    if isinstance(predictor, NetworkPredictor):
        head = predictor.network.head
        assert isinstance(head, nn.Linear)
        weight, bias = head.weight.detach().cpu().double(), head.bias.detach().cpu().double()
    else:
        learned = predictor.learned()
        weight = learned["coefficients"] / learned["scale"]
        bias = learned["intercepts"] - weight @ learned["mean"]
        if len(weight) == 1:  # of two classes, scikit-learn keeps the logit of the second alone
            weight, bias = (torch.cat([torch.zeros_like(part), part]) for part in (weight, bias))
    return LinearHead(weight / classifier.temperature, bias / classifier.temperature)
