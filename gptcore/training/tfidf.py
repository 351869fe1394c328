"""The trainer of logistic regressions on TF-IDF: no network, no device, no seed."""

from __future__ import annotations

from gptcore.classifier import TextClassifier
from gptcore.result import Fit
from gptcore.training.logistic import fit_tfidf
from gptcore.training.predictors import TfidfPredictor
from gptcore.training.task import Task


def fit(task: Task) -> Fit:
    """Fit to the training texts; the validation texts choose the penalty."""
    data = task.data
    splits = (data.train, data.validation, data.test)
    with task.phases("train"):
        logistic = fit_tfidf(
            *(data.train.texts, data.train.labels, data.validation.texts, data.validation.labels),
            ngrams=task.recipe.ngrams,
            class_weight=task.recipe.class_weight,
        )
    with task.phases("evaluate"):
        train, validation, test = (logistic.evaluate(split.texts, split.labels) for split in splits)
    return Fit(
        recipe=task.recipe,
        seeds=task.seeds,
        train=train,
        validation=validation,
        test=test,
        classifier=TextClassifier(task.recipe, data.label_names, TfidfPredictor(logistic)),
        n_total=logistic.n_params,
        n_trained=logistic.n_params,
        notes=logistic.notes,
    )
