"""A classifier as scikit-learn has them: in pipelines, cross-validation and grid searches over recipe fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from gptcore.data.datasets import split_source
from gptcore.data.memory import table_of
from gptcore.data.source import table_source
from gptcore.errors import UserError
from gptcore.methods.spelling import METHOD_FIELDS
from gptcore.model_defaults import model_defaults
from gptcore.product.fitting import fit_to_keep
from gptcore.product.recipes import find_recipe
from gptcore.recipe import Recipe, make_recipe

# `fit` sets the one that is left out: the first round ends with its best epoch, the second with its last.
_FIELDS = tuple(name for name in Recipe.model_fields if name != "restore_best")


@dataclass(eq=False, repr=False)
class GPTClassifier(ClassifierMixin, BaseEstimator):
    """Fits a recipe to texts: a tenth of each class chooses epochs and temperature, then all texts are trained on.

    recipe: a name (`python -m gptcore recipes`) or a TOML file; seed: of the new head and the order; device: None for a
    GPU if there is one. The others are fields of the recipe (`gptcore.Recipe` says what they mean): None leaves a field
    as the recipe has it, so what a recipe sets cannot be taken back with None.
    Fitted: classes_ (n_classes,), text_classifier_, a `TextClassifier` whose labels are indices into classes_.
    """

    recipe: str = "nano"
    _: KW_ONLY
    model: str | None = None
    ngrams: str | None = None
    weights: str | None = None
    train: Any = None
    position: str | None = None
    attention: str | None = None
    padding: str | None = None
    attend_padding: bool | None = None
    context: str | int | None = None
    lora_rank: int | None = None
    lora_alpha: float | None = None
    lora_dropout: float | None = None
    lora_targets: Sequence[str] | None = None
    lora_scaling: str | None = None
    lr: float | None = None
    weight_decay: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    accumulation: int | None = None
    warmup: float | None = None
    schedule: str | None = None
    clip_norm: float | None = None
    patience: int | None = None
    train_size: int | None = None
    head: str | None = None
    class_weight: str | None = None
    best_by: str | None = None
    seed: int = 0
    device: str | None = None

    def fit(self, X: Sequence[str], y: Sequence[Any]) -> Self:  # noqa: N803
        """X: N texts; y: (N,) their labels, of any type that scikit-learn takes.

        Raises UserError for texts, labels or a recipe that cannot be used, and for a parameter that the recipe has no
        use for; TypeError for a single text; ValueError for labels that are not classes.
        """
        texts = _as_list(X)
        given = {name: _plain(value) for name in _FIELDS if (value := getattr(self, name)) is not None}
        recipe = _changed(find_recipe(self.recipe), given)
        check_classification_targets(y)
        self.classes_, indices = np.unique(column_or_1d(y, warn=True), return_inverse=True)
        check_consistent_length(texts, indices)
        names = [str(i) for i in indices]
        # A data set has a test part, which nothing here looks at: a copy of a text, which is trained on all the same.
        table = table_of("texts", {"train": (texts, names), "test": (texts[:1], names[:1])})
        data = split_source(replace(table_source("texts", table), copies_stay=True), self.seed)
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
    """The recipe with other values. Another method or model begins with its own defaults, not those of the former.

    Raises UserError, also for a value that makes no difference: a search over it would compare equal fits.
    """
    values = recipe.model_dump()
    if (model := given.get("model", recipe.model)) != recipe.model:
        values = _with_defaults_of(model, values, model_defaults(recipe.model))
    if given.get("train", recipe.train) != recipe.train:
        values = model_defaults(model) | {
            name: value for name, value in values.items() if name not in METHOD_FIELDS
        }
    changed = make_recipe(values | dict(given), "GPTClassifier")
    as_fitted = changed.model_copy(update={"restore_best": changed.trainer == "network"})
    for name in given:
        if name not in as_fitted.relevant:
            raise UserError(
                f"GPTClassifier: {name} = {given[name]!r} makes no difference with model = {changed.model!r} and "
                f"train = {changed.train_name!r}: leave it out"
            )
    return changed


def _with_defaults_of(model: str, values: Mapping[str, Any], former: Mapping[str, Any]) -> dict[str, Any]:
    """The values, and another model's defaults where they are the former model's."""
    usual = Recipe(**former).model_dump()
    own = Recipe(**model_defaults(model)).model_dump()
    kept = {name: value for name, value in values.items() if value != usual[name]}
    return own | kept


def _plain(value: Any) -> Any:
    """A number of numpy, as a search draws it, as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _as_list(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise TypeError("X must be a list of texts: put the one text into a list")
    return list(texts)
