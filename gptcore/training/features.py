"""The trainer of logistic regressions, or small MLPs, on what a frozen backbone makes of the texts."""

from __future__ import annotations

import torch

from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer
from gptcore.classifier import TextClassifier
from gptcore.result import Fit
from gptcore.training.build import start, through_frozen
from gptcore.training.logistic import fit_features
from gptcore.training.loop import Labelled
from gptcore.training.network import verify
from gptcore.training.network_predictors import FeaturesPredictor
from gptcore.training.small_mlp import fit_mlp
from gptcore.training.task import Task


def fit(task: Task) -> Fit:
    """Compute the features once, then fit. Raises UserError and DisagreementError as `fit` does."""
    begun = start(task)
    rows, borrowed_s = through_frozen(task, begun.classifier, begun.base.fingerprint, begun.tokens)
    splits = (task.data.train, task.data.validation, task.data.test)
    labelled = Labelled(rows[0], task.data.train.labels)
    agreement = verify(task, begun.classifier, begun.inputs, labelled) if task.verify else None
    features = [part.take(torch.arange(len(part))).values.cpu().numpy() for part in rows]
    with task.phases("train"):
        on, weight = (features[0], splits[0].labels, features[1], splits[1].labels), task.recipe.class_weight
        fitted = (
            fit_features(*on, weight)
            if task.recipe.head == "linear"
            else fit_mlp(*on, task.seeds.init, weight)
        )
    with task.phases("evaluate"):
        found = [fitted.evaluate(x, split.labels) for x, split in zip(features, splits, strict=True)]
    predictor = FeaturesPredictor(
        checkpoint_tokenizer(task.recipe.model), begun.inputs.length, begun.classifier, fitted
    )
    return Fit(
        recipe=task.recipe,
        seeds=task.seeds,
        train=found[0],
        validation=found[1],
        test=found[2],
        classifier=TextClassifier(task.recipe, task.data.label_names, predictor, begun.base),
        n_total=sum(p.numel() for p in begun.classifier.backbone.parameters()) + fitted.n_params,
        n_trained=fitted.n_params,
        inputs=begun.inputs,
        borrowed_s=borrowed_s,
        positions_processed=begun.classifier.positions_processed,
        weights_source=begun.base.source,
        weights_fingerprint=begun.base.fingerprint,
        agreement=agreement,
        rewrites=begun.classifier.backbone.rewrites,
        notes=begun.notes,
    )
