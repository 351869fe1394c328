"""GPTClassifier does what scikit-learn expects of a classifier."""

from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from gptcore import sklearn
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.weights import random_gpt, save_gpt
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.model_defaults import model_defaults
from gptcore.product.fitting import fit_to_keep
from gptcore.recipe import Recipe, make_recipe
from gptcore.sklearn import GPTClassifier, _changed

CONFIG = ModelConfig(d_model=8, n_layer=2, n_head=2, context=16, vocab_size=8192, tokenizer="embedded")
WORDS = {7: ["win", "prize", "free", "call"], 3: ["see", "you", "home", "later"]}
Y = np.array([7, 3] * 30)
X = [" ".join(np.random.default_rng(i).choice(WORDS[int(y)], size=4)) + f" {i}" for i, y in enumerate(Y)]


ONE_LABEL = "one label is refused with a UserError, which is not a ValueError"
EXPECTED_TO_FAIL = {  # of scikit-learn's checks
    "check_classifiers_one_label": ONE_LABEL,
    "check_fit2d_1sample": ONE_LABEL,
    "check_class_weight_classifiers": "class_weight is the recipe's field: 'balanced', or weights of 1",
}


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


def test_every_text_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Dataset] = []

    def fit_and_look(recipe: Recipe, data: Dataset, *rest: Any) -> Any:
        seen.append(data)
        return fit_to_keep(recipe, data, *rest)

    monkeypatch.setattr(sklearn, "fit_to_keep", fit_and_look)
    texts = [*X, X[0], X[0].upper()]
    GPTClassifier("tfidf").fit(texts, [*Y, Y[0], Y[0]])
    assert sorted((*seen[0].train.texts, *seen[0].validation.texts)) == sorted(texts)


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


def test_every_field_of_a_recipe_is_a_parameter() -> None:
    names = set(GPTClassifier().get_params())
    assert names == {*Recipe.model_fields, "recipe", "seed", "device"} - {"restore_best"}
    assert not {field.default for field in fields(GPTClassifier) if field.name in Recipe.model_fields} - {
        None
    }
    for name, value in {"clip_norm": 1.0, "head": "mlp", "warmup": 0.1, "lora_rank": 4}.items():
        assert getattr(clone(GPTClassifier(**{name: value})), name) == value


def test_a_search_may_draw_numbers_of_numpy(recipe: str) -> None:
    given = {"epochs": np.int64(1), "lr": np.float32(0.5), "padding": np.str_("left"), "train": "lora"}
    fitted = GPTClassifier(recipe, lora_rank=np.int64(2), device="cpu", **given).fit(X, Y)
    used = fitted.text_classifier_.recipe
    assert (used.epochs, used.lr, used.padding, used.lora_rank) == (1, 0.5, "left", 2)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"lora_rank": 4}, "lora_rank = 4 makes no difference with model = 'nano' and train = 'all'"),
        ({"model": "tfidf", "lr": 0.1}, "lr = 0.1 makes no difference with model = 'tfidf'"),
        ({"train": "features", "epochs": 2}, "epochs = 2 makes no difference"),
        ({"ngrams": "auto"}, "ngrams = 'auto' makes no difference"),
    ],
)
def test_a_parameter_that_makes_no_difference_is_refused(given: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=named):
        GPTClassifier("nano", **given).fit(X, Y)


def test_another_model_begins_with_its_own_defaults() -> None:
    nano = make_recipe({"model": "nano", "train": "lora", "position": "last_real", "lr": 1e-3})
    changed = _changed(nano, {"model": "smollm2-135m"})
    own = {**model_defaults("smollm2-135m"), "model": "smollm2-135m"}
    assert changed == make_recipe({**own, "train": "lora", "position": "last_real", "lr": 1e-3})
    assert changed.attention == "native"
    assert _changed(changed, {"model": "nano"}) == nano
    assert _changed(nano, {"best_by": "macro-f1"}).best_by == "macro-f1"


class RowClassifier(GPTClassifier):
    """Takes rows of numbers, as scikit-learn's checks give them, each number as a word."""

    def fit(self, X: Any, y: Any) -> Any:  # noqa: N803
        X, y = validate_data(self, X, y)
        return super().fit(as_texts(X), y)

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        check_is_fitted(self)
        return super().predict_proba(as_texts(validate_data(self, X, reset=False)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.one_d_array = False
        tags.input_tags.two_d_array = True
        return tags


def as_texts(rows: np.ndarray) -> list[str]:
    """A word for each number: a letter for its column, and one for the nearest half, the same again after 13."""
    halves = np.round(2 * np.asarray(rows, dtype=float)).astype(int)
    return [" ".join(chr(97 + j % 26) + chr(97 + n % 26) for j, n in enumerate(row)) for row in halves]


@parametrize_with_checks([RowClassifier("tfidf")], expected_failed_checks=lambda _: EXPECTED_TO_FAIL)
def test_scikit_learns_own_checks_pass(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.slow
def test_scikit_learns_own_checks_pass_with_a_network(recipe: str) -> None:
    network = RowClassifier(recipe, position="mean_real", attend_padding=False, epochs=5, device="cpu")
    results = check_estimator(network, expected_failed_checks=EXPECTED_TO_FAIL, on_skip=None)
    statuses = Counter(result["status"] for result in results)
    assert statuses["passed"] > 40
    assert statuses["xfail"] == len(EXPECTED_TO_FAIL)


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(UserError, match="lr = -1"):
        GPTClassifier("nano", lr=-1).fit(X, Y)
    fitted = GPTClassifier("tfidf").fit(X, Y)
    for use in (fitted.predict, fitted.predict_proba, lambda text: GPTClassifier("tfidf").fit(text, Y)):
        with pytest.raises(TypeError, match="put the one text into a list"):
            use("win a prize")
    with pytest.raises(UserError, match="the text is empty"):
        GPTClassifier("tfidf").fit([*X, ""], [*Y, 3])
    for text in (5, 1.5, b"win"):
        with pytest.raises(UserError, match="train text 60: the text is not a string but"):
            GPTClassifier("tfidf").fit([*X, text], [*Y, 3])
    with pytest.raises(UserError, match="needs a list of texts, and at least one"):
        GPTClassifier("tfidf").fit([], [])


@pytest.mark.parametrize("train", [{"method": "lora", "rank": 4}, "rslora", "lora", "all"])
def test_another_method_begins_with_its_own_defaults(train: Any) -> None:
    for name in ("nano", "smollm2-135m"):
        base = model_defaults(name) | {"model": name}
        plain = make_recipe({**base, "train": "last_block", "lora_rank": 8})
        assert _changed(plain, {"train": train}) == make_recipe({**base, "train": train})
    own = make_recipe({"model": "nano", "train": "lora", "lora_rank": 8})
    assert _changed(own, {"train": "lora", "lr": 1e-3}) == own.model_copy(update={"lr": 1e-3})
