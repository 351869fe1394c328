"""The small MLP on stored features: scikit-learn's, with the number of epochs that validation chooses."""

import json

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, _multilayer_perceptron
from sklearn.preprocessing import StandardScaler

from gptcore.training.small_mlp import HIDDEN, MOST_EPOCHS, MlpFit, fit_mlp


def make_data(n_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """300 points (300, 5) around a centre for each class, in float32 as features are."""
    rng = np.random.default_rng(seed)
    labels = np.arange(300) % n_classes
    centres = np.random.default_rng(7).normal(size=(n_classes, 5))
    return (3 * centres[labels] + rng.normal(size=(300, 5))).astype(np.float32) + 9, labels


@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_is_scikit_learns(n_classes: int) -> None:
    features, labels = make_data(n_classes)
    found = fit_mlp(features, labels, *make_data(n_classes, 1), seed=3)
    theirs = MLPClassifier(hidden_layer_sizes=(HIDDEN,), random_state=np.random.RandomState(3))
    scaled = StandardScaler().fit_transform(features.astype(np.float64))
    for _ in range(found.epochs):
        theirs.partial_fit(scaled, labels, classes=np.arange(n_classes))
    expected = theirs.predict_proba(scaled)
    np.testing.assert_allclose(found.probabilities(features), expected, rtol=1e-9, atol=1e-12)
    assert (found.probabilities(features).argmax(axis=1) == labels).mean() > 0.9
    assert found.n_params == sum(a.size for a in (*theirs.coefs_, *theirs.intercepts_))


def test_each_epoch_has_an_order_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[tuple[int, ...]] = []
    shuffle = _multilayer_perceptron.shuffle

    def remember(rows: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
        orders.append(tuple(shuffled := shuffle(rows, random_state=random_state)))
        return shuffled

    monkeypatch.setattr(_multilayer_perceptron, "shuffle", remember)
    fit_mlp(*make_data(2), *make_data(2, 1), seed=3)
    assert len(set(orders)) == len(orders) > 3


def test_the_lowest_validation_loss_chooses_the_epochs() -> None:
    features, labels = make_data(2)
    noise = np.random.default_rng(5).permutation(labels)
    assert fit_mlp(features, noise, *make_data(2, 1), seed=0).epochs < MOST_EPOCHS / 2


def test_refitting_on_the_same_gives_the_same_and_other_seeds_do_not() -> None:
    data = (*make_data(2), *make_data(2, 1))
    found = fit_mlp(*data, seed=0)
    again = found.refit(data[0], data[1])
    assert np.array_equal(again.probabilities(data[0]), found.probabilities(data[0]))
    other = fit_mlp(*data, seed=1)
    assert not np.allclose(other.probabilities(data[0]), found.probabilities(data[0]))


def test_class_weights_are_heeded() -> None:
    features, labels = make_data(2)
    few = np.flatnonzero((labels == 0) | (np.arange(300) < 20))
    data = (features[few], labels[few], *make_data(2, 1))
    plain, balanced = fit_mlp(*data, seed=0), fit_mlp(*data, 0, "balanced")
    assert balanced.probabilities(features)[:, 1].mean() > plain.probabilities(features)[:, 1].mean()


def test_it_comes_back_to_the_bit() -> None:
    features, labels = make_data(3)
    found = fit_mlp(features, labels, *make_data(3, 1), seed=0)
    back = MlpFit.restore(found.learned(), json.loads(json.dumps(found.details())))
    assert np.array_equal(back.probabilities(features), found.probabilities(features))
    assert (back.seed, back.epochs) == (found.seed, found.epochs)
