"""Logistic regression (scikit-learn) on TF-IDF or on a frozen model's features: the cheap ends of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gptcore.result import Evaluation, Fit
from gptcore.training.task import Task

INVERSE_PENALTIES = (0.1, 1.0, 10.0, 100.0)  # scikit-learn's C; the validation split chooses


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """A fitted scikit-learn pipeline and the C that the validation split chose."""

    pipeline: Any
    inverse_penalty: float

    def evaluate(self, inputs: Any, labels: np.ndarray) -> Evaluation:
        """Predictions on inputs of the kind that the pipeline was fitted on."""
        return Evaluation(np.asarray(labels), self.pipeline.predict_proba(inputs))

    @property
    def n_params(self) -> int:
        """Coefficients and intercepts."""
        model = self.pipeline[-1]
        return int(model.coef_.size + model.intercept_.size)


def fit(task: Task) -> Fit:
    """The trainer of logistic regressions on TF-IDF: no network, no device, no seed."""
    data = task.data
    splits = (data.train, data.validation, data.test)
    with task.phases("train"):
        logistic = fit_tfidf(
            data.train.texts, data.train.labels, data.validation.texts, data.validation.labels
        )
    with task.phases("evaluate"):
        train, validation, test = (logistic.evaluate(split.texts, split.labels) for split in splits)
    return Fit(
        recipe=task.recipe,
        seeds=task.seeds,
        train=train,
        validation=validation,
        test=test,
        classifier=logistic,
        n_total=logistic.n_params,
        n_trained=logistic.n_params,
    )


def fit_tfidf(
    texts: Sequence[str], labels: np.ndarray, validation_texts: Sequence[str], validation_labels: np.ndarray
) -> LogisticFit:
    """TF-IDF of words and word pairs, then logistic regression: what a GPT has to beat."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectoriser = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    return _fit(vectoriser, texts, labels, validation_texts, validation_labels)


def fit_features(
    features: np.ndarray,
    labels: np.ndarray,
    validation_features: np.ndarray,
    validation_labels: np.ndarray,
) -> LogisticFit:
    """Standardise frozen features (N, d_model), then logistic regression."""
    from sklearn.preprocessing import StandardScaler

    return _fit(StandardScaler(), features, labels, validation_features, validation_labels)


def _fit(
    transformer: Any, inputs: Any, labels: np.ndarray, validation_inputs: Any, validation_labels: np.ndarray
) -> LogisticFit:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    transformed = transformer.fit_transform(inputs)
    validation = transformer.transform(validation_inputs)
    fits = [LogisticRegression(C=c, max_iter=2000).fit(transformed, labels) for c in INVERSE_PENALTIES]
    losses = [Evaluation(validation_labels, fit.predict_proba(validation)).log_loss for fit in fits]
    best = int(np.argmin(losses))
    return LogisticFit(make_pipeline(transformer, fits[best]), INVERSE_PENALTIES[best])
