"""Probabilities that mean what they say: one temperature, fitted on texts not trained on. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

N_BINS = 10
_TINY = 1e-12  # added before the logarithm, as scikit-learn does
_LARGEST_LOG = 10.0  # the temperature lies between exp(-10) and exp(10)
_NEAR_BOUND = 0.1  # a log-temperature so near its bound is not an estimate: the loss has no minimum


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float | None:
    """The temperature with the lowest log-loss (Guo et al. 2017, section 4.2).

    probabilities: (N, n_classes); labels: (N,) int64. The same as scikit-learn's
    CalibratedClassifierCV(method="temperature"). None where every label has the highest probability: the loss then
    has no minimum, it falls towards temperature 0, so these texts cannot say how sure to be.
    """
    import numpy as np
    from scipy.optimize import minimize_scalar

    if (probabilities.argmax(axis=1) == labels).all():
        return None
    logits = _logits(probabilities)

    def loss(log_beta: float) -> float:
        scaled = np.exp(log_beta) * logits
        highest = scaled.max(axis=1, keepdims=True)
        log_sums = highest[:, 0] + np.log(np.exp(scaled - highest).sum(axis=1))
        return float((log_sums - scaled[np.arange(len(labels)), labels]).mean())

    found = minimize_scalar(
        loss, bounds=(-_LARGEST_LOG, _LARGEST_LOG), options={"xatol": 64 * np.finfo(np.float64).eps}
    )
    return float(np.exp(-found.x))


def estimated_temperature(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, str | None]:
    """(temperature, None), or (1, why these texts allow no estimate). Arguments as of `fit_temperature`."""
    import numpy as np

    found = fit_temperature(probabilities, labels)
    if found is None:
        return 1.0, "every validation text is answered right, so no temperature can be fitted: it stays 1"
    if abs(np.log(found)) > _LARGEST_LOG - _NEAR_BOUND:
        told = (
            "predict the labels no better than chance"
            if found > 1
            else "rank every label first, some in a tie"
        )
        return 1.0, (
            f"the validation texts' probabilities {told}, so no temperature can be fitted: it stays 1, and "
            "probabilities are not calibrated"
        )
    return found, None


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (N, n_classes) at a temperature, each row sums to 1; at 1 they stay as they are."""
    import numpy as np

    if temperature == 1:
        return probabilities
    scaled = _logits(probabilities) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, n_bins: int = N_BINS) -> float:
    """Expected calibration error (Guo et al. 2017, section 2), 0 to 1, over bins of equal width (0, 1/n], ..."""
    import numpy as np

    confidence = probabilities.max(axis=1)
    gap = (probabilities.argmax(axis=1) == labels) - confidence
    number = np.clip(np.ceil(confidence * n_bins).astype(int), 1, n_bins)
    return float(sum(abs(gap[number == n].sum()) for n in range(1, n_bins + 1)) / len(labels))


def _logits(probabilities: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.asarray(np.log(probabilities + _TINY))
