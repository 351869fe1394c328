"""A classifier as scikit-learn has them: in pipelines, cross-validation and grid searches over recipe fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from gptcore.data.datasets import Dataset
from gptcore.methods.spelling import METHOD_FIELDS
from gptcore.model_defaults import model_defaults
from gptcore.product.fitting import fit_to_keep
from gptcore.product.recipes import find_recipe
from gptcore.recipe import Recipe, make_recipe

_FIELDS = ("train", "position", "lr", "epochs", "batch_size", "weight_decay", "class_weight")


class GPTClassifier(ClassifierMixin, BaseEstimator):
    """Fits a recipe to texts: a tenth of each class chooses epochs and temperature, then all texts are trained on.

    recipe: a name (`python -m gptcore recipes`) or a TOML file; train, position, lr, epochs, batch_size, weight_decay,
    class_weight: fields of the recipe, None as it has them; seed: of the new head and the order; device: None for a
    GPU if there is one. Fitted: classes_ (n_classes,), text_classifier_, a `TextClassifier` whose labels are indices
    into classes_.
    """

    def __init__(
        self,
        recipe: str = "nano",
        *,
        train: Any = None,
        position: str | None = None,
        lr: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        weight_decay: float | None = None,
        class_weight: str | None = None,
        seed: int = 0,
        device: str | None = None,
    ) -> None:
        self.recipe = recipe
        self.train = train
        self.position = position
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.class_weight = class_weight
        self.seed = seed
        self.device = device

    def fit(self, X: Sequence[str], y: Sequence[Any]) -> Self:  # noqa: N803
        """X: N texts; y: (N,) their labels, of any type that scikit-learn takes.

        Raises UserError for texts, labels or a recipe that cannot be used, TypeError for a single text.
        """
        texts = _as_list(X)
        given = {name: value for name in _FIELDS if (value := getattr(self, name)) is not None}
        recipe = _changed(find_recipe(self.recipe), given)
        self.classes_, indices = np.unique(np.asarray(y), return_inverse=True)
        names = [str(i) for i in indices]
        # A data set has a test part; nothing here looks at it.
        data = Dataset.from_texts(texts, names, test=(texts[:1], names[:1]), split_seed=self.seed)
        self.text_classifier_ = fit_to_keep(recipe, data, self.seed, self.device).classifier
        return self

    def predict_proba(self, X: Sequence[str]) -> np.ndarray:  # noqa: N803
        """(N, n_classes) float64 in the order of classes_, calibrated."""
        check_is_fitted(self)
        return self.text_classifier_.predict_proba(_as_list(X))

    def predict(self, X: Sequence[str]) -> np.ndarray:  # noqa: N803
        """(N,) the most probable class of each text."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def _changed(recipe: Recipe, given: Mapping[str, Any]) -> Recipe:
    """The recipe with other values. Another method begins with its own defaults, not with the fields of the former."""
    values = recipe.model_dump()
    if given.get("train", recipe.train) != recipe.train:
        values = model_defaults(recipe.model) | {
            name: value for name, value in values.items() if name not in METHOD_FIELDS
        }
    return make_recipe(values | dict(given), "GPTClassifier")


def _as_list(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise TypeError("X must be a list of texts: put the one text into a list")
    return list(texts)
