"""Predictions and metrics, against scikit-learn's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss

from gptcore.data import rows as batching
from gptcore.recipe import Recipe
from gptcore.training.evaluate import Evaluation, evaluate, evaluation_of_logits


@given(n=st.integers(1, 30), n_classes=st.integers(2, 5), scale=st.floats(0.1, 30), seed=st.integers(0, 99))
def test_metrics_are_scikit_learns(n, n_classes, scale, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=scale, size=(n, n_classes)).astype(np.float32)
    labels = rng.integers(n_classes, size=n)
    found = evaluation_of_logits(torch.from_numpy(logits), labels)
    assert found.probabilities.dtype == np.float64
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    assert found.predicted.tolist() == logits.argmax(axis=1).tolist()
    assert found.accuracy == accuracy_score(labels, logits.argmax(axis=1))
    assert found.correct == (labels == logits.argmax(axis=1)).sum()
    expected = log_loss(labels, found.probabilities, labels=range(n_classes))
    if (found.probabilities > 1e-15).all():  # what scikit-learn clips to
        assert found.log_loss == pytest.approx(expected)


def test_ties_go_to_the_lower_class_and_zeros_stay_finite():
    found = Evaluation(np.array([1, 1]), np.array([[0.5, 0.5], [1.0, 0.0]]))
    assert found.predicted.tolist() == [0, 0]
    assert 300 < found.log_loss < 400


@pytest.mark.parametrize("engine", ["plain", "fast"])
def test_every_row_has_its_own_prediction(toy_classifier, toy_labelled, engine, monkeypatch):
    monkeypatch.setattr(batching, "POSITIONS_AT_A_TIME", 100)  # several batches
    recipe = Recipe(position="last_real", train="lora", lora_dropout=0.5)
    classifier = toy_classifier(recipe, engine)
    data = toy_labelled(67)
    classifier.train()
    found = evaluate(classifier, data.rows, data.labels)
    assert classifier.training  # put back
    classifier.eval()
    with torch.no_grad():
        for i in range(len(data)):
            logits = classifier(data.rows.take(torch.tensor([i])))[0].double()
            np.testing.assert_allclose(found.probabilities[i], logits.softmax(dim=0), rtol=1e-5)
    assert found.labels.tolist() == data.labels.tolist()
    evaluate(classifier, data.rows, data.labels)
    assert not classifier.training
