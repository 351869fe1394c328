"""Class weights: scikit-learn's definition, torch's weighted loss step by step, and the same in both engines."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from gptcore.data.datasets import Dataset
from gptcore.data.rows import epoch_batches
from gptcore.data.subset import with_train_size
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.training.class_weight import check_class_weight, text_weights
from gptcore.training.evaluate import evaluate
from gptcore.training.fit import fit
from gptcore.training.logistic import fit_features
from gptcore.training.loop import Labelled, Training, train
from gptcore.training.timing import Phases

BALANCED = "balanced"
WORDS = {"ham": "see you at home later now", "spam": "win a free prize now call"}


def make_data(n_ham: int, n_spam: int, n_validation: int = 20) -> Dataset:
    def part(n: int, seed: int) -> tuple[list[str], list[str]]:
        rng = np.random.default_rng(seed)
        labels = ["spam" if i % 5 == 0 else "ham" for i in range(n)]
        return [
            " ".join(rng.choice(WORDS[label].split(), 4)) + f" {i}" for i, label in enumerate(labels)
        ], labels

    rng = np.random.default_rng(0)
    labels = ["ham"] * n_ham + ["spam"] * n_spam
    texts = [" ".join(rng.choice(WORDS[label].split(), 4)) + f" t{i}" for i, label in enumerate(labels)]
    return Dataset.from_texts(texts, labels, validation=part(n_validation, 1), test=part(20, 2))


@pytest.fixture
def labelled(toy_labelled: Callable[..., Labelled]) -> Callable[..., Labelled]:
    """Rows of which one in five has the second class, with the weights of the first 41."""

    def make(n: int, seed: int = 0) -> Labelled:
        labels = (np.random.default_rng(seed).random(n) < 0.2).astype(np.int64)
        of_train = (np.random.default_rng(0).random(41) < 0.2).astype(np.int64)
        return Labelled(toy_labelled(n, seed).rows, labels, text_weights(BALANCED, of_train, labels)[0])

    return make


def run(classifier: Classifier, recipe: Recipe, data: Labelled, validation: Labelled) -> Training:
    return train(classifier, recipe, data, validation, 5, Phases(torch.device("cpu")))


def test_weights_are_those_of_scikit_learn() -> None:
    labels = np.array([0] * 7 + [1] * 2 + [2])
    (found,) = text_weights(BALANCED, labels, labels)
    expected = compute_class_weight(BALANCED, classes=np.arange(3), y=labels)
    np.testing.assert_allclose(found, expected[labels])
    assert text_weights(None, labels, labels) == [None]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize(("batch_size", "accumulation"), [(8, 1), (3, 3)])
def test_a_step_is_that_of_torchs_weighted_loss(
    toy_classifier: Callable[..., Classifier],
    labelled: Callable[..., Labelled],
    engine: str,
    batch_size: int,
    accumulation: int,
) -> None:
    """Accumulated batches are one batch; 13 batches of 3 leave a group of one, which counts a third, as published."""
    recipe = Recipe(
        lr=3e-3,
        epochs=2,
        position="last_real",
        batch_size=batch_size,
        accumulation=accumulation,
        weight_decay=0.0,
    )
    data = labelled(41)
    by_hand = toy_classifier(recipe)
    parameters = by_hand.trained_parameters()
    optimiser = torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=0.0)
    labels = torch.from_numpy(data.labels)
    classes = torch.tensor(compute_class_weight(BALANCED, classes=np.arange(2), y=data.labels))
    criterion = nn.CrossEntropyLoss(weight=classes)
    order = torch.Generator().manual_seed(5)
    losses = []
    for _ in range(recipe.epochs):
        batches = epoch_batches(len(data), batch_size, order)
        for start in range(0, len(batches), accumulation):
            step = torch.cat(batches[start : start + accumulation])
            loss = criterion(by_hand(data.rows.take(step)), labels[step])
            optimiser.zero_grad()
            (loss * len(step) / (batch_size * accumulation)).backward()
            optimiser.step()
            losses.append(float(loss.detach()))
    trained = toy_classifier(recipe, engine)
    assert run(trained, recipe, data, labelled(20, 1)).losses == pytest.approx(losses, rel=1e-9)
    for ours, theirs in zip(trained.trained_parameters(), parameters, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.usefixtures("float64")
def test_running_out_of_memory_changes_no_weighted_step(
    toy_classifier: Callable[..., Classifier],
    labelled: Callable[..., Labelled],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = Recipe(lr=3e-3, epochs=1, position="last_real", batch_size=8)
    expected = run(toy_classifier(recipe), recipe, labelled(41), labelled(20, 1)).losses
    classifier = toy_classifier(recipe)
    forward = Classifier.forward

    def small_memory(self: Classifier, rows: object) -> torch.Tensor:
        if self.training and len(rows) > 3:  # type: ignore[arg-type]
            raise torch.OutOfMemoryError("too much")
        return forward(self, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(Classifier, "forward", small_memory)
    assert run(classifier, recipe, labelled(41), labelled(20, 1)).losses == pytest.approx(expected, rel=1e-9)


def test_the_best_epoch_is_that_of_the_lowest_weighted_validation_loss(
    toy_classifier: Callable[..., Classifier], labelled: Callable[..., Labelled]
) -> None:
    recipe = Recipe(lr=3e-2, epochs=6, position="last_real", restore_best=True)
    classifier, validation = toy_classifier(recipe), labelled(20, 1)
    trained = run(classifier, recipe, labelled(41), validation)
    losses = [epoch.validation_loss for epoch in trained.epochs]
    assert trained.best_epoch == 1 + losses.index(min(losses))
    seen = evaluate(classifier, validation.rows, validation.labels)
    expected = log_loss(validation.labels, seen.probabilities, sample_weight=validation.weights)
    assert min(losses) == pytest.approx(expected)
    assert seen.log_loss != pytest.approx(expected)


@pytest.mark.parametrize("method", ["last_layer", "last_block"])
def test_both_engines_agree_on_weighted_steps(method: str) -> None:
    recipe = Recipe(
        **{"model": "nano", "weights": "random", "train": method, "position": "last_real"},
        **{"class_weight": BALANCED, "epochs": 2, "lr": 1e-3},
    )
    data = make_data(40, 8)
    plain = fit(recipe, data, 0, Engine("plain"), "cpu")
    fast = fit(recipe, data, 0, Engine("fast"), "cpu", verify=True)
    assert fast.losses == pytest.approx(plain.losses, rel=1e-4)
    unweighted = fit(recipe.model_copy(update={"class_weight": None}), data, 0, device="cpu")
    assert fast.losses != pytest.approx(unweighted.losses, rel=1e-3)


def test_tfidf_and_features_are_scikit_learns_balanced_regression() -> None:
    data = make_data(40, 8)
    found = fit(Recipe(model="tfidf", class_weight=BALANCED), data, 0, device="cpu")
    weights = compute_class_weight(BALANCED, classes=np.arange(2), y=data.train.labels)[
        data.validation.labels
    ]
    losses, pipelines = [], []
    for c in (0.1, 1.0, 10.0, 100.0):
        pipeline = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            LogisticRegression(C=c, max_iter=2000, class_weight=BALANCED),
        ).fit(data.train.texts, data.train.labels)
        seen = pipeline.predict_proba(data.validation.texts)
        losses.append(log_loss(data.validation.labels, seen, sample_weight=weights))
        pipelines.append(pipeline)
    expected = pipelines[int(np.argmin(losses))].predict_proba(data.test.texts)
    np.testing.assert_allclose(found.test.probabilities, expected, rtol=1e-6)
    unweighted = fit(Recipe(model="tfidf"), data, 0, device="cpu").test.probabilities
    assert not np.allclose(expected, unweighted)
    x = np.random.default_rng(0).normal(size=(48, 3))
    y = data.train.labels
    logistic = fit_features(x, y, x, y, class_weight=BALANCED)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    by_hand = LogisticRegression(C=logistic.inverse_penalty, max_iter=2000, class_weight=BALANCED).fit(z, y)
    np.testing.assert_allclose(logistic.probabilities(x), by_hand.predict_proba(z), rtol=1e-6)


def test_weights_are_of_the_training_texts_that_are_used() -> None:
    """Seven of 48 texts weigh as those of a data set of these seven."""
    data = make_data(40, 8)
    recipe = Recipe(model="tfidf", class_weight=BALANCED, train_size=7)
    part = with_train_size(data, 7).train
    found = fit(recipe, data, 0, device="cpu")
    alone = Dataset.from_texts(
        list(part.texts),
        [data.label_names[label] for label in part.labels],
        validation=(list(data.validation.texts), [data.label_names[i] for i in data.validation.labels]),
        test=(list(data.test.texts), [data.label_names[i] for i in data.test.labels]),
    )
    expected = fit(recipe.model_copy(update={"train_size": None}), alone, 0, device="cpu")
    np.testing.assert_allclose(found.test.probabilities, expected.test.probabilities, rtol=1e-6)


def test_a_class_without_training_texts_is_refused() -> None:
    data = make_data(40, 2)
    recipe = Recipe(model="tfidf", class_weight=BALANCED)
    check_class_weight(recipe, data)
    only_ham = replace(data, train=replace(data.train, labels=np.zeros_like(data.train.labels)))
    with pytest.raises(
        UserError, match=r"class_weight = 'balanced': the training part of .* no text of class 'spam'"
    ):
        fit(recipe, only_ham, 0, device="cpu")
