"""Logistic regression (scikit-learn) on TF-IDF or on a frozen model's features: the cheap ends of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gptcore.result import Evaluation

INVERSE_PENALTIES = (0.1, 1.0, 10.0, 100.0)  # scikit-learn's C; the validation split chooses


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """A fitted scikit-learn pipeline and the C that the validation split chose."""

    pipeline: Any
    inverse_penalty: float

    def evaluate(self, inputs: Any, labels: np.ndarray) -> Evaluation:
        """Predictions on inputs of the kind that the pipeline was fitted on."""
        return Evaluation(np.asarray(labels), self.probabilities(inputs))

    def probabilities(self, inputs: Any) -> np.ndarray:
        """(N, n_classes) float64 of inputs of the kind that the pipeline was fitted on, of which there are some."""
        return np.asarray(self.pipeline.predict_proba(inputs))

    @property
    def no_probabilities(self) -> np.ndarray:
        """Those of no inputs."""
        return np.empty((0, len(self.pipeline[-1].classes_)))

    def learned(self) -> dict[str, Tensor]:
        """What was fitted, as float64 tensors by name."""
        first, model = self.pipeline[0], self.pipeline[-1]
        fitted = {"coefficients": model.coef_, "intercepts": model.intercept_}
        if hasattr(first, "idf_"):
            fitted |= {"idf": first.idf_}
        else:
            fitted |= {"mean": first.mean_, "scale": first.scale_}
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in fitted.items()}

    def details(self) -> dict[str, Any]:
        """What else there is to know, as JSON values."""
        found = {"classes": self.pipeline[-1].classes_.tolist(), "inverse_penalty": self.inverse_penalty}
        if hasattr(self.pipeline[0], "idf_"):
            found["terms"] = self.pipeline[0].get_feature_names_out().tolist()
        return found

    @classmethod
    def restore(cls, learned: Mapping[str, Tensor], details: Mapping[str, Any]) -> LogisticFit:
        """Build it again from what `learned` and `details` gave. Raises KeyError or ValueError."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        arrays = {name: tensor.numpy() for name, tensor in learned.items()}
        first: Any
        if "terms" in details:
            first = _vectoriser(vocabulary=details["terms"])
            first.idf_ = arrays["idf"]
        else:
            first = StandardScaler()
            first.mean_, first.scale_ = arrays["mean"], arrays["scale"]
            first.var_, first.n_features_in_ = first.scale_**2, len(first.mean_)
        model = LogisticRegression(C=details["inverse_penalty"], max_iter=2000)
        model.coef_, model.intercept_ = arrays["coefficients"], arrays["intercepts"]
        model.classes_, model.n_features_in_ = np.asarray(details["classes"]), model.coef_.shape[1]
        return cls(make_pipeline(first, model), details["inverse_penalty"])

    @property
    def n_params(self) -> int:
        """Coefficients and intercepts."""
        model = self.pipeline[-1]
        return int(model.coef_.size + model.intercept_.size)


def fit_tfidf(
    texts: Sequence[str], labels: np.ndarray, validation_texts: Sequence[str], validation_labels: np.ndarray
) -> LogisticFit:
    """TF-IDF of words and word pairs, then logistic regression: what a GPT has to beat."""
    return _fit(_vectoriser(), texts, labels, validation_texts, validation_labels)


def fit_features(
    features: np.ndarray,
    labels: np.ndarray,
    validation_features: np.ndarray,
    validation_labels: np.ndarray,
) -> LogisticFit:
    """Standardise frozen features (N, d_model), then logistic regression."""
    from sklearn.preprocessing import StandardScaler

    return _fit(StandardScaler(), features, labels, validation_features, validation_labels)


def _vectoriser(**choices: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, **choices)


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
