"""Logistic regression on TF-IDF and on features, against scikit-learn pipelines put together by hand."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gptcore.training.logistic import fit_features, fit_tfidf

WORDS = (["win", "prize", "now", "call"], ["see", "you", "at", "home"], ["rain", "sun", "wind", "now"])


def make_texts(n: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Texts of three classes; some words are another class's."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    texts = [
        " ".join(rng.choice(WORDS[label if rng.random() < 0.6 else rng.integers(3)]) for _ in range(6))
        for label in labels
    ]
    return texts, labels


TRAIN, VALIDATION, TEST = make_texts(60, 0), make_texts(30, 1), make_texts(40, 2)


def best_by_hand(make, train, validation):
    """The pipeline of the C with the lowest validation loss."""
    losses = {}
    for c in (0.1, 1.0, 10.0, 100.0):
        pipeline = make(LogisticRegression(C=c, max_iter=2000)).fit(*train)
        losses[c] = log_loss(validation[1], pipeline.predict_proba(validation[0])), pipeline
    best = min(losses, key=lambda c: losses[c][0])
    assert len({round(loss, 6) for loss, _ in losses.values()}) == 4
    return best, losses[best][1]


def test_tfidf_is_the_pipeline_made_by_hand():
    c, expected = best_by_hand(
        lambda model: make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), model),
        TRAIN,
        VALIDATION,
    )
    fitted = fit_tfidf(*TRAIN, *VALIDATION)
    assert fitted.inverse_penalty == c
    found = fitted.evaluate(*TEST)
    np.testing.assert_allclose(found.probabilities, expected.predict_proba(TEST[0]), rtol=1e-6)
    assert found.accuracy == pytest.approx(expected.score(*TEST))
    assert found.accuracy > 0.6
    n_terms = len(expected[0].vocabulary_)
    assert fitted.n_params == n_terms * 3 + 3


def test_features_are_standardised_then_fitted():
    rng = np.random.default_rng(0)
    labels = [rng.integers(2, size=n) for n in (50, 30, 20)]
    splits = [(rng.normal(size=(len(y), 5)) * [1, 10, 100, 1, 1] + 3 + 0.8 * y[:, None], y) for y in labels]
    c, expected = best_by_hand(lambda model: make_pipeline(StandardScaler(), model), splits[0], splits[1])
    fitted = fit_features(*splits[0], *splits[1])
    assert fitted.inverse_penalty == c
    found = fitted.evaluate(*splits[2])
    np.testing.assert_allclose(found.probabilities, expected.predict_proba(splits[2][0]), rtol=1e-6)
    assert fitted.n_params == 5 + 1  # one row of coefficients tells two classes apart
