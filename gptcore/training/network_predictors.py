"""Predictors with a network; and how they are built again from what was kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gptcore.backbones.base import Backbone
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.hf_config import is_hf_config, parse_hf_config
from gptcore.backbones.model_info import AnyConfig
from gptcore.backbones.weights import weights_fingerprint
from gptcore.data.prompted import PromptedTokenizer
from gptcore.data.tokenizer import Tokenizer
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.training.base import Base
from gptcore.training.build import build_backbone, build_classifier, random_backbone
from gptcore.training.costs import without_weights
from gptcore.training.evaluate import predict_logits, softmax64
from gptcore.training.inputs import rows_of_sequences
from gptcore.training.logistic import LogisticFit
from gptcore.training.predictors import TokenPredictor
from gptcore.training.side_by_side import side_by_side
from gptcore.training.small_mlp import MlpFit
from gptcore.training.tokenizing import tokenizer_of

Learned = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class NetworkPredictor(TokenPredictor):
    """A trained network."""

    network: Classifier

    @property
    def n_classes(self) -> int:
        """See `TokenPredictor`."""
        return self.network.n_classes

    def of_sequences(self, sequences: Sequence[Sequence[int]]) -> np.ndarray:
        """See `TokenPredictor`."""
        return softmax64(_outputs(self, sequences, head=True))

    def learned(self) -> dict[str, np.ndarray]:
        """The parameters that learn."""
        named = self.network.named_parameters()
        return {name: p.detach().cpu().contiguous().numpy() for name, p in named if p.requires_grad}

    def details(self) -> dict[str, Any]:
        """Nothing but the rows' length."""
        return {"tokens_per_row": self.tokens_per_row}

    @classmethod
    def restore(
        cls, network: Classifier, tokenizer: Tokenizer, learned: Learned, details: Mapping[str, Any]
    ) -> NetworkPredictor:
        """Put what was learned into a network before its first step. Raises UserError where it does not fit."""
        expected = {name: p for name, p in network.named_parameters() if p.requires_grad}
        if odd := sorted(expected.keys() ^ learned.keys()):
            raise UserError(f"the file and the model do not have the same parameters: {odd[0]}")
        with torch.no_grad():
            for name, parameter in expected.items():
                if parameter.shape != learned[name].shape:
                    shapes = f"{learned[name].shape}, expected {tuple(parameter.shape)}"
                    raise UserError(f"{name} is {shapes}")
                parameter.copy_(torch.tensor(learned[name]))
        return cls(tokenizer, int(details["tokens_per_row"]), network.eval())


@dataclass(frozen=True, eq=False)
class FeaturesPredictor(TokenPredictor):
    """What was fitted on what the head of a frozen network would read."""

    network: Classifier
    fitted: LogisticFit | MlpFit

    @property
    def n_classes(self) -> int:
        """See `TokenPredictor`."""
        return self.fitted.n_classes

    def of_sequences(self, sequences: Sequence[Sequence[int]]) -> np.ndarray:
        """See `TokenPredictor`."""
        return self.fitted.probabilities(self._features(sequences))

    def refit(self, texts: Sequence[str], labels: np.ndarray) -> FeaturesPredictor:
        """See `Refittable`."""
        features = [self._features(sequences) for sequences in self.tokenised(texts)]
        return replace(self, fitted=self.fitted.refit(np.concatenate(features), labels))

    def _features(self, sequences: Sequence[Sequence[int]]) -> np.ndarray:
        """(N, width)."""
        return _outputs(self, sequences, head=False).cpu().numpy()

    def learned(self) -> dict[str, np.ndarray]:
        """Of the scaler and what was fitted."""
        return self.fitted.learned()

    def details(self) -> dict[str, Any]:
        """The rows' length, and those of what was fitted."""
        return {"tokens_per_row": self.tokens_per_row, **self.fitted.details()}

    @classmethod
    def restore(
        cls, network: Classifier, tokenizer: Tokenizer, learned: Learned, details: Mapping[str, Any]
    ) -> FeaturesPredictor:
        """Build it again, on a network before its first step."""
        kind = MlpFit if "mlp" in details else LogisticFit
        return cls(tokenizer, int(details["tokens_per_row"]), network.eval(), kind.restore(learned, details))


def restored_predictor(
    recipe: Recipe,
    base: Base,
    tokenizer: Tokenizer | None,
    n_classes: int,
    learned: Learned,
    details: Mapping[str, Any],
    device: torch.device,
) -> NetworkPredictor | FeaturesPredictor:
    """Build a predictor again on the model that it started from.

    It is loaded from where its recipe says, unless every weight of it has learned. tokenizer: None for the one of that
    model; learned, details: what the predictor gave. Raises UserError where that model cannot be loaded, or has
    other weights, another shape or another vocabulary by now; KeyError, TypeError, ValueError or RuntimeError where the
    arguments do not match.
    """
    backbone = _whole(recipe, base, learned) or _started_from(recipe, base)
    if tokenizer is None:
        tokenizer = tokenizer_of(recipe)
        if tokenizer.fingerprint != base.tokenizer_fingerprint:
            raise UserError(
                f"the vocabulary {base.tokenizer} is not the one that the classifier was trained with"
            )
    elif recipe.method.n_prompt:
        tokenizer = PromptedTokenizer(tokenizer, recipe.method.n_prompt)
    engine = Engine(base.engine, base.precision)
    network = build_classifier(backbone, n_classes, recipe, engine, base.init_seed).to(device)
    kind = NetworkPredictor if recipe.trainer == "network" else FeaturesPredictor
    return kind.restore(network, tokenizer, learned, details)


def _whole(recipe: Recipe, base: Base, learned: Learned) -> Backbone | None:
    """A backbone of that shape, whose weights are all among those that were learned; None where they are not."""
    config: AnyConfig
    if is_hf_config(base.config):
        config = parse_hf_config(base.config, "the base model")
    else:
        config = ModelConfig.model_validate(base.config)
    shapes = without_weights(config)
    shapes.drop_output()
    if not {f"backbone.{name}" for name, _ in shapes.named_parameters()} <= learned.keys():
        return None
    return random_backbone(recipe, config, base.init_seed)


def _started_from(recipe: Recipe, base: Base) -> Backbone:
    """The model that it started from, compared with what is known of it."""
    try:
        backbone, source = build_backbone(recipe, base.init_seed)
    except UserError as error:
        raise UserError(
            f"only what was learned is kept, and the base model {base.source} (weights of SHA-256 "
            f"{base.fingerprint[:12]}...) could not be loaded: {error}"
        ) from error
    if weights_fingerprint(backbone) != base.fingerprint:
        raise UserError(f"the weights of {source} are not those that the classifier was trained on")
    config = json.loads(backbone.info.identity)  # which may have keys by now that were not there then
    if changed := [name for name, value in base.config.items() if config.get(name) != value]:
        raise UserError(
            f"{changed[0]} of {source} is {config.get(changed[0])!r}; the classifier was trained with "
            f"{base.config[changed[0]]!r}"
        )
    return backbone


def _outputs(
    predictor: NetworkPredictor | FeaturesPredictor, sequences: Sequence[Sequence[int]], head: bool
) -> Tensor:
    """Logits (N, n_classes), or without `head` what it would read (N, width)."""
    network, length, tokenizer = predictor.network, predictor.tokens_per_row, predictor.tokenizer

    def run(some: Sequence[Sequence[int]]) -> Tensor:
        rows = rows_of_sequences(some, length, network.layout, tokenizer)
        return predict_logits(network, rows.to(network.device), head)

    return torch.cat(side_by_side(network, run, sequences))
