"""Which export formats a classifier can take, or what a recipe leaves. Imports torch for networks alone."""

from __future__ import annotations

import numpy as np

from gptcore.classifier import TextClassifier
from gptcore.export.formats import FormatName
from gptcore.recipe import Recipe
from gptcore.training.predictors import TfidfPredictor


def export_formats(classifier: TextClassifier) -> list[FormatName]:
    """Those without an obstacle, also where the packages that they need are not installed."""
    if isinstance(classifier.predictor, TfidfPredictor):
        return ["numpy"]
    from gptcore.export.export import FORMATS

    return [name for name, made in FORMATS.items() if made.obstacle(classifier) is None]


def formats_of_recipe(recipe: Recipe, labels: tuple[str, ...]) -> list[FormatName]:
    """Those of what `fit` makes of a recipe. Loads the recipe's model. Raises UserError where it cannot."""
    if recipe.backbone is None:
        return ["numpy"]
    return export_formats(_untrained(recipe, labels))


def _untrained(recipe: Recipe, labels: tuple[str, ...]) -> TextClassifier:
    """What a recipe leaves, with another head and without training: neither is an obstacle."""
    from gptcore.engine.engine import Engine
    from gptcore.training.build import build_backbone, build_classifier
    from gptcore.training.logistic import fit_features
    from gptcore.training.network_predictors import FeaturesPredictor, NetworkPredictor
    from gptcore.training.small_mlp import fit_mlp
    from gptcore.training.tokenizing import tokenizer_of

    backbone, _ = build_backbone(recipe, init_seed=0)
    network = build_classifier(backbone, len(labels), recipe, Engine(), init_seed=0)
    tokenizer, width = tokenizer_of(recipe), network.backbone.info.context
    if recipe.trainer == "network":
        return TextClassifier(recipe, labels, NetworkPredictor(tokenizer, width, network))
    features = np.random.default_rng(0).normal(size=(2 * len(labels), backbone.info.width))
    classes = np.tile(np.arange(len(labels)), 2)
    given = features, classes, features, classes
    fitted = fit_features(*given) if recipe.head == "linear" else fit_mlp(*given, seed=0)
    return TextClassifier(recipe, labels, FeaturesPredictor(tokenizer, width, network, fitted))
