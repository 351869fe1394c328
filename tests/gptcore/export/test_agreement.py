"""What counts as the same answers: the rounding of scikit-learn's float32 does, a wrong logit does not."""

import numpy as np
import pytest

from gptcore import Recipe, TextClassifier
from gptcore.errors import UserError
from gptcore.export.agreement import check_probabilities
from gptcore.training.logistic import fit_tfidf
from gptcore.training.predictors import TfidfPredictor

LOGITS = np.array([0.5, -3.0, 12.0])


def softmax(logits: np.ndarray) -> np.ndarray:
    both = np.stack([np.zeros_like(logits), logits], axis=1)
    powers = np.exp(both - both.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("temperature", [1.3, 20_000.0])
def test_logits_are_compared_as_far_as_probabilities_tell_them(temperature: float) -> None:
    predictor = TfidfPredictor(fit_tfidf(["a b", "c d"] * 4, np.array([0, 1] * 4), ["a"], np.array([0])))
    classifier = TextClassifier(Recipe(model="tfidf"), ("a", "b"), predictor, temperature=temperature)
    second = softmax(LOGITS)[:, 1].astype(np.float32)
    own = np.stack([1 - second, second], axis=1).astype(np.float64)  # so of 12 little is left
    texts = list("xyz")
    check_probabilities(classifier, own, softmax(LOGITS / temperature), texts)
    for change in (1.00005, 0.99995):
        with pytest.raises(UserError, match="of a logit before the temperature"):
            check_probabilities(classifier, own, softmax(LOGITS * change / temperature), texts)
