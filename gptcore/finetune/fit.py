"""From recipe and dataset to a fitted classifier: the one entry point that the harness and users call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from gptcore.data.datasets import Dataset
from gptcore.finetune.classical import fit_features, fit_tfidf, frozen_features
from gptcore.finetune.classifier import Classifier
from gptcore.finetune.evaluate import Evaluation, evaluate
from gptcore.finetune.inputs import Inputs, prepare_inputs
from gptcore.finetune.recipe import Recipe, Seeds
from gptcore.finetune.timing import PeakMemory, Phases
from gptcore.finetune.train import Epoch, train
from gptcore.finetune.trainable import set_trainable, trained_parameters
from gptcore.models.config import REGISTRY
from gptcore.models.gpt import GPT
from gptcore.models.weights import checkpoint_folder, load_gpt, random_gpt, read_config, weights_fingerprint

OnEpoch = Callable[[Epoch], None]


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted classifier and everything measured on the way.

    classifier: a `Classifier`, or for `features` and TF-IDF a `LogisticFit`; phases: seconds by name, they add
    up to the total; n_total, n_trained: parameters; tokens_processed: positions that went through the blocks.
    """

    recipe: Recipe
    seeds: Seeds
    train: Evaluation
    validation: Evaluation
    test: Evaluation
    losses: list[float]
    epochs: list[Epoch]
    best_epoch: int | None
    classifier: Any
    phases: dict[str, float]
    peak_mem_bytes: int
    n_total: int
    n_trained: int
    inputs: Inputs | None
    tokens_processed: int | None
    weights_source: str | None
    weights_fingerprint: str | None


def fit(
    recipe: Recipe,
    data: Dataset,
    seed: int | Seeds = 0,
    device: str | torch.device | None = None,
    on_epoch: OnEpoch | None = None,
) -> FitResult:
    """Fit one recipe on one dataset.

    seed: one number for head and order, or `Seeds`; device: by default a CUDA GPU where there is one.
    Raises UserError where the weights cannot be had or the recipe does not fit the model, FloatingPointError
    where the loss is no longer finite.
    """
    seeds = seed if isinstance(seed, Seeds) else Seeds(init=seed, order=seed)
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    phases = Phases(where)
    with PeakMemory(where) as memory:
        if recipe.is_tfidf:
            parts = _fit_tfidf(recipe, data, phases)
        else:
            parts = _fit_gpt(recipe, data, seeds, phases, on_epoch)
    return FitResult(
        recipe=recipe, seeds=seeds, phases=phases.finish(), peak_mem_bytes=memory.peak_bytes, **parts
    )


def build_gpt(recipe: Recipe, init_seed: int) -> tuple[GPT, str]:
    """The GPT that a recipe starts from, and where its weights come from. Raises UserError."""
    if recipe.weights == "random":
        known = recipe.model in REGISTRY
        config = REGISTRY[recipe.model].config if known else read_config(checkpoint_folder(recipe.model))
        return random_gpt(config, init_seed), "random"
    return load_gpt(recipe.model), REGISTRY[recipe.model].source if recipe.model in REGISTRY else recipe.model


def build_classifier(gpt: GPT, n_classes: int, recipe: Recipe, init_seed: int) -> Classifier:
    """The classifier before its first step: new head, adapters in place, trained parameters marked."""
    generator = torch.Generator().manual_seed(init_seed)
    classifier = Classifier(gpt, n_classes, recipe, generator)
    set_trainable(classifier, generator)
    return classifier


def _fit_gpt(
    recipe: Recipe, data: Dataset, seeds: Seeds, phases: Phases, on_epoch: OnEpoch | None
) -> dict[str, Any]:
    with phases("load"):
        gpt, source = build_gpt(recipe, seeds.init)
        fingerprint = weights_fingerprint(gpt)
        classifier = build_classifier(gpt, len(data.label_names), recipe, seeds.init).to(phases.device)
    with phases("tokenise"):
        inputs = prepare_inputs(data, recipe, gpt.config)
    fitting = _fit_features if recipe.train == "features" else _fit_head_and_blocks
    return fitting(classifier, inputs, seeds, phases, on_epoch) | {
        "inputs": inputs,
        "weights_source": source,
        "weights_fingerprint": fingerprint,
    }


def _fit_head_and_blocks(
    classifier: Classifier, inputs: Inputs, seeds: Seeds, phases: Phases, on_epoch: OnEpoch | None
) -> dict[str, Any]:
    splits = [split.to(phases.device) for split in (inputs.train, inputs.validation, inputs.test)]
    training = train(classifier, splits[0], splits[1], seeds.order, phases, on_epoch)
    with phases("evaluate"):
        found = [evaluate(classifier, split.rows, split.labels) for split in splits]
    n_trained = sum(p.numel() for p in trained_parameters(classifier))
    return {
        "train": found[0],
        "validation": found[1],
        "test": found[2],
        "losses": training.losses,
        "epochs": training.epochs,
        "best_epoch": training.best_epoch,
        "classifier": classifier,
        "n_total": sum(p.numel() for p in classifier.parameters()),
        "n_trained": n_trained,
        "tokens_processed": _tokens_processed(inputs, len(training.epochs)),
    }


def _fit_features(
    classifier: Classifier, inputs: Inputs, seeds: Seeds, phases: Phases, on_epoch: OnEpoch | None
) -> dict[str, Any]:
    del seeds, on_epoch  # a convex problem: nothing is random, and there are no epochs
    splits = [inputs.train, inputs.validation, inputs.test]
    with phases("trunk"):
        features = [frozen_features(classifier, split.to(phases.device).rows) for split in splits]
    with phases("train"):
        logistic = fit_features(features[0], splits[0].labels, features[1], splits[1].labels)
    with phases("evaluate"):
        found = [logistic.evaluate(x, split.labels) for x, split in zip(features, splits, strict=True)]
    n_body = sum(p.numel() for p in classifier.gpt.parameters())
    return _logistic_parts(found, logistic, n_body) | {"tokens_processed": _tokens_processed(inputs, 0)}


def _fit_tfidf(recipe: Recipe, data: Dataset, phases: Phases) -> dict[str, Any]:
    del recipe  # nothing but its name matters
    splits = [data.train, data.validation, data.test]
    with phases("train"):
        logistic = fit_tfidf(splits[0].texts, splits[0].labels, splits[1].texts, splits[1].labels)
    with phases("evaluate"):
        found = [logistic.evaluate(split.texts, split.labels) for split in splits]
    return _logistic_parts(found, logistic, 0) | {
        "tokens_processed": None,
        "inputs": None,
        "weights_source": None,
        "weights_fingerprint": None,
    }


def _logistic_parts(found: list[Evaluation], logistic: Any, n_body: int) -> dict[str, Any]:
    return {
        "train": found[0],
        "validation": found[1],
        "test": found[2],
        "losses": [],
        "epochs": [],
        "best_epoch": None,
        "classifier": logistic,
        "n_total": n_body + logistic.n_params,
        "n_trained": logistic.n_params,
    }


def _tokens_processed(inputs: Inputs, n_epochs: int) -> int:
    """Token positions through the blocks: training and validation each epoch, then the three splits once."""

    def positions(split: Any) -> int:
        per_row = inputs.tokens_per_row
        return int(split.rows.lengths.sum()) if per_row is None else len(split) * per_row

    train_positions, validation, test = (positions(s) for s in (inputs.train, inputs.validation, inputs.test))
    return (n_epochs + 1) * (train_positions + validation) + test
