"""GPTClassifier does what scikit-learn expects of a classifier."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from gptcore.backbones.config import ModelConfig
from gptcore.backbones.weights import random_gpt, save_gpt
from gptcore.errors import UserError
from gptcore.model_defaults import model_defaults
from gptcore.recipe import make_recipe
from gptcore.sklearn import GPTClassifier, _changed

CONFIG = ModelConfig(d_model=8, n_layer=2, n_head=2, context=16, vocab_size=8192, tokenizer="embedded")
WORDS = {7: ["win", "prize", "free", "call"], 3: ["see", "you", "home", "later"]}
Y = np.array([7, 3] * 30)
X = [" ".join(np.random.default_rng(i).choice(WORDS[int(y)], size=4)) + f" {i}" for i, y in enumerate(Y)]


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    save_gpt(random_gpt(CONFIG, 3), tmp_path / "checkpoint")
    path = tmp_path / "toy.toml"
    path.write_text(
        f'[recipe]\nmodel = "{tmp_path / "checkpoint"}"\nposition = "last_real"\ntrain = "all"\nlr = 1e-2\nepochs = 3\n'
    )
    return str(path)


def test_it_fits_and_predicts_labels_of_their_own_type(recipe: str) -> None:
    model = GPTClassifier(recipe, epochs=4, device="cpu").fit(X, Y)
    assert model.classes_.tolist() == [3, 7]
    assert model.score(X, Y) > 0.9
    assert model.predict(X[:2]).tolist() == [7, 3]
    probabilities = model.predict_proba(X[:3])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    names = np.where(Y == 7, "spam", "ham")
    assert set(GPTClassifier("tfidf").fit(np.array(X, dtype=object), names).predict(X)) == {"spam", "ham"}


def test_it_is_cloned_with_its_parameters() -> None:
    model = GPTClassifier("nano", lr=1e-3)
    assert is_classifier(model)
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(epochs=2).epochs == 2
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_pipelines_and_cross_validation() -> None:
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    assert cross_val_score(make_pipeline(lower, GPTClassifier("tfidf")), X, Y, cv=3).mean() > 0.9


def test_a_grid_search_over_recipe_fields(recipe: str) -> None:
    search = GridSearchCV(GPTClassifier(recipe, epochs=2, device="cpu"), {"lr": [1e-6, 1e-2]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"lr": 1e-2}


def test_more_classes_than_nine_keep_their_order() -> None:
    labels = [f"c{i % 12:02}" for i in range(120)]
    texts = [f"word{label} and {i}" for i, label in enumerate(labels)]
    model = GPTClassifier("tfidf").fit(texts, labels)
    assert model.predict(texts[:12]).tolist() == labels[:12]


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(UserError, match="lr = -1"):
        GPTClassifier("nano", lr=-1).fit(X, Y)
    fitted = GPTClassifier("tfidf").fit(X, Y)
    for use in (fitted.predict, fitted.predict_proba, lambda text: GPTClassifier("tfidf").fit(text, Y)):
        with pytest.raises(TypeError, match="put the one text into a list"):
            use("win a prize")
    with pytest.raises(UserError, match="the text is empty"):
        GPTClassifier("tfidf").fit([*X, ""], [*Y, 3])


@pytest.mark.parametrize("train", [{"method": "lora", "rank": 4}, "rslora", "lora", "all"])
def test_another_method_begins_with_its_own_defaults(train: Any) -> None:
    for name in ("nano", "smollm2-135m"):
        base = model_defaults(name) | {"model": name}
        plain = make_recipe({**base, "train": "last_block", "lora_rank": 8})
        assert _changed(plain, {"train": train}) == make_recipe({**base, "train": train})
    own = make_recipe({"model": "nano", "train": "lora", "lora_rank": 8})
    assert _changed(own, {"train": "lora", "lr": 1e-3}) == own.model_copy(update={"lr": 1e-3})
