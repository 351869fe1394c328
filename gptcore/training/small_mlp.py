"""A small MLP (scikit-learn) on a frozen model's features, beside the logistic regression of `logistic.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gptcore.result import Evaluation
from gptcore.training.class_weight import ClassWeight, text_weights

HIDDEN = 100  # scikit-learn's default
MOST_EPOCHS, PATIENCE = 50, 5  # the validation split chooses how many


@dataclass(frozen=True, eq=False)
class MlpFit:
    """Standardised features, a hidden layer with ReLU, an output layer. seed, epochs: what it was fitted with.

    arrays: mean and scale (width,), hidden.weight (width, HIDDEN) and its bias, out.weight (HIDDEN, n_outputs) and its
    bias, all float64; of two classes one output, the logit of the second. classes: (n_classes,) int64.
    """

    arrays: dict[str, np.ndarray]
    classes: np.ndarray
    seed: int
    epochs: int
    class_weight: ClassWeight | None = None

    def refit(self, inputs: np.ndarray, labels: np.ndarray) -> MlpFit:
        """The same seed and number of epochs, fitted anew. inputs: (N, width); labels: (N,) int64."""
        scaler, scaled = _standardised(inputs)
        fitting = _Fitting(scaled, labels, self.seed, self.class_weight)
        for _ in range(self.epochs):
            fitting.epoch()
        return replace(self, arrays=_arrays(scaler, fitting.model), classes=fitting.model.classes_)

    def evaluate(self, inputs: np.ndarray, labels: np.ndarray) -> Evaluation:
        """Predictions on features (N, width)."""
        return Evaluation(np.asarray(labels), self.probabilities(inputs))

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """(N, n_classes) float64 of features (N, width)."""
        a = self.arrays
        hidden = np.maximum(
            (inputs - a["mean"]) / a["scale"] @ a["hidden.weight"] + a["hidden.bias"], 0.0
        )  # (N, HIDDEN)
        logits = hidden @ a["out.weight"] + a["out.bias"]
        if logits.shape[1] == 1:
            logits = np.hstack([np.zeros_like(logits), logits])
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    @property
    def n_classes(self) -> int:
        """Columns of `probabilities`."""
        return len(self.classes)

    def learned(self) -> dict[str, np.ndarray]:
        """What was fitted, as float64 arrays by name."""
        return {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}

    def details(self) -> dict[str, Any]:
        """What else there is to know, as JSON values."""
        return {
            "classes": self.classes.tolist(),
            "mlp": {"seed": self.seed, "epochs": self.epochs, "class_weight": self.class_weight},
        }

    @classmethod
    def restore(cls, learned: Mapping[str, np.ndarray], details: Mapping[str, Any]) -> MlpFit:
        """Build it again from what `learned` and `details` gave. Raises KeyError."""
        return cls(dict(learned), np.asarray(details["classes"]), **details["mlp"])

    @property
    def n_params(self) -> int:
        """Weights and biases of both layers."""
        return int(sum(array.size for name, array in self.arrays.items() if "." in name))


def fit_mlp(
    features: np.ndarray,
    labels: np.ndarray,
    validation_features: np.ndarray,
    validation_labels: np.ndarray,
    seed: int,
    class_weight: ClassWeight | None = None,
) -> MlpFit:
    """Fit on features (N, width), for as many epochs as the validation loss is lowest with.

    seed: of the start values and the order. class_weight: scikit-learn's, for the validation loss as well.
    """
    scaler, scaled = _standardised(features)
    fitting = _Fitting(scaled, labels, seed, class_weight)
    validation = scaler.transform(validation_features.astype(np.float64))
    (weights,) = text_weights(class_weight, labels, validation_labels)
    best, lowest = None, np.inf
    for epoch in range(1, MOST_EPOCHS + 1):
        fitting.epoch()
        loss = Evaluation(validation_labels, fitting.model.predict_proba(validation)).weighted_loss(weights)
        if best is None or loss < lowest:
            arrays, lowest = _arrays(scaler, fitting.model), loss
            best = MlpFit(arrays, fitting.model.classes_, seed, epoch, class_weight)
        if epoch - best.epochs >= PATIENCE:
            break
    assert best is not None
    return best


class _Fitting:
    """scikit-learn's MLPClassifier, one epoch at a time."""

    def __init__(
        self, inputs: np.ndarray, labels: np.ndarray, seed: int, class_weight: ClassWeight | None
    ) -> None:
        from sklearn.neural_network import MLPClassifier

        # One generator for all epochs: with a number, each partial_fit would begin anew and shuffle alike.
        random = np.random.RandomState(seed)
        self.model = MLPClassifier(hidden_layer_sizes=(HIDDEN,), random_state=random)
        self._inputs, self._labels, self._classes = inputs, labels, np.unique(labels)
        (weights,) = text_weights(class_weight, labels, labels)
        self._weights = {} if weights is None else {"sample_weight": weights}

    def epoch(self) -> None:
        self.model.partial_fit(self._inputs, self._labels, classes=self._classes, **self._weights)


def _standardised(features: np.ndarray) -> tuple[Any, np.ndarray]:
    """A fitted scaler, and the features (N, width) that it was fitted to, scaled, in float64."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    return scaler, scaler.fit_transform(features.astype(np.float64))


def _arrays(scaler: Any, model: Any) -> dict[str, np.ndarray]:
    """Copies of what was fitted, by name."""
    (hidden, out), (hidden_bias, out_bias) = model.coefs_, model.intercepts_
    found = {
        "mean": scaler.mean_,
        "scale": scaler.scale_,
        "hidden.weight": hidden,
        "hidden.bias": hidden_bias,
        "out.weight": out,
        "out.bias": out_bias,
    }
    return {name: np.array(array, dtype=np.float64) for name, array in found.items()}
