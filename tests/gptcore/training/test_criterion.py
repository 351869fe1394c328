"""Which epoch is the best one depends on what is asked for; of equals it is that of lower loss, then the earlier."""

from typing import get_args

import numpy as np
import pytest

from gptcore.recipe import BestBy, Recipe
from gptcore.result import Evaluation
from gptcore.training import loop
from gptcore.training.criterion import IN_WORDS, score
from gptcore.training.loop import train
from gptcore.training.timing import Phases

LABELS = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1])
# Probability of class 1 of each text, by epoch.
EPOCHS = [
    [0.4] * 10,  # 7 right, no text of class 1
    [0.1] * 4 + [0.6] * 3 + [0.6] * 3,  # 7 right, among them all of class 1
    [0.1] * 6 + [0.9] + [0.1, 0.1, 0.9],  # 7 right, sure of its errors
    [0.1] * 7 + [0.3, 0.3, 0.9],  # 8 right, one of class 1: the most
    [0.1] * 7 + [0.3, 0.3, 0.9],
]


def evaluation(epoch: list[float]) -> Evaluation:
    ones = np.array(epoch)
    return Evaluation(LABELS, np.stack([1 - ones, ones], axis=1))


@pytest.mark.parametrize(
    ("by", "best"),
    [("loss", 2), ("log-loss", 4), ("accuracy", 4), ("macro-f1", 2), ("balanced-accuracy", 2)],
)
def test_the_best_epoch_is_the_one_that_is_asked_for(
    toy_classifier, toy_labelled, monkeypatch, by, best
) -> None:
    recipe = Recipe(train="last_layer", epochs=5, restore_best=True, best_by=by)
    told = iter(map(evaluation, EPOCHS))
    monkeypatch.setattr(loop, "evaluate", lambda *_: next(told))
    data = toy_labelled(len(LABELS))
    weighs = loop.Labelled(data.rows, LABELS, np.where(LABELS == 1, 9.0, 1.0))
    found = train(toy_classifier(recipe), recipe, data, weighs, 0, Phases(None))
    assert found.best_epoch == best
    assert np.array_equal(found.validation.probabilities, evaluation(EPOCHS[best - 1]).probabilities)


def test_scores_are_what_their_names_say() -> None:
    seen = evaluation(EPOCHS[1])
    assert score("loss", seen, 2.5) == -2.5
    assert score("log-loss", seen, 2.5) == -seen.log_loss
    assert score("accuracy", seen, 2.5) == 0.7
    assert score("balanced-accuracy", seen, 2.5) == pytest.approx((4 / 7 + 1) / 2)
    assert score("macro-f1", seen, 2.5) == pytest.approx((2 * 4 / (4 + 7) + 2 * 3 / (6 + 3)) / 2)
    assert IN_WORDS.keys() == set(get_args(BestBy))
