"""The temperature is scikit-learn's; probabilities stay probabilities, in the same order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from gptcore.calibration import calibration_error, estimated_temperature, fit_temperature, tempered


class Given(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose input is its own probabilities."""

    def fit(self, _: np.ndarray, y: np.ndarray) -> "Given":
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        return x

    def predict(self, x: np.ndarray) -> np.ndarray:
        return x.argmax(axis=1)


def noisy(n: int, n_classes: int, sharpness: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    logits = rng.normal(size=(n, n_classes)) + 1.5 * np.eye(n_classes)[labels]
    powers = np.exp(sharpness * logits)
    return powers / powers.sum(axis=1, keepdims=True), labels


@pytest.mark.parametrize(("n_classes", "sharpness"), [(2, 4.0), (2, 0.3), (3, 1.0), (7, 3.0)])
def test_it_is_the_temperature_of_scikit_learn(n_classes: int, sharpness: float) -> None:
    probabilities, labels = noisy(200, n_classes, sharpness, seed=n_classes)
    temperature = fit_temperature(probabilities, labels)
    assert temperature is not None
    known = Given().fit(probabilities, labels)
    theirs = CalibratedClassifierCV(FrozenEstimator(known), method="temperature").fit(probabilities, labels)
    assert temperature == pytest.approx(1 / theirs.calibrated_classifiers_[0].calibrators[0].beta_, rel=1e-6)
    new, _ = noisy(50, n_classes, sharpness, seed=99)
    np.testing.assert_allclose(tempered(new, temperature), theirs.predict_proba(new), rtol=1e-6)


def test_it_lowers_the_loss_of_probabilities_that_are_too_sure() -> None:
    probabilities, labels = noisy(300, 2, 5.0, seed=0)
    temperature = fit_temperature(probabilities, labels)
    assert temperature is not None
    assert temperature > 2
    after = tempered(probabilities, temperature)
    assert calibration_error(after, labels) < calibration_error(probabilities, labels)


def test_probabilities_that_say_nothing_fit_no_temperature() -> None:
    labels = np.array([0, 1] * 10)
    wrong = np.where(np.arange(20)[:, None] == 0, [[0.9, 0.1]], np.eye(2)[1 - labels] * 0.6 + 0.2)
    temperature, reason = estimated_temperature(wrong, labels)
    assert temperature == 1
    assert reason is not None
    assert "better than chance" in reason
    assert fit_temperature(wrong, labels) == pytest.approx(
        np.exp(10)
    )  # as scikit-learn's, the end of its range
    right = np.eye(2)[labels] * 0.6 + 0.2
    assert estimated_temperature(right, labels) == (1, pytest.approx(estimated_temperature(right, labels)[1]))
    some = np.where(np.arange(20)[:, None] < 6, wrong, right)
    assert estimated_temperature(some, labels) == (fit_temperature(some, labels), None)


def test_texts_that_are_all_right_fit_no_temperature() -> None:
    assert fit_temperature(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 1])) is None


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-20, 20), min_size=2, max_size=5), st.floats(0.05, 20))
def test_a_temperature_keeps_the_order_and_the_sum(logits: list[float], temperature: float) -> None:
    powers = np.exp(np.array([logits]) - max(logits))
    before = powers / powers.sum()
    after = tempered(before, temperature)
    assert after.sum() == pytest.approx(1)
    assert (np.diff(after[0, before[0].argsort(kind="stable")]) >= -1e-9).all()


def test_the_error_of_calibration_is_the_gap_weighted_by_bin() -> None:
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.4, 0.6], [0.25, 0.75]])
    labels = np.array([0, 1, 1, 1])
    expected = (2 * abs(0.5 - 0.95) + 0.4 + 0.25) / 4
    assert calibration_error(probabilities, labels) == pytest.approx(expected)
