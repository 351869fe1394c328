"""Logistic regression (scikit-learn) on TF-IDF or on a frozen model's features: the cheap ends of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from gptcore.result import Evaluation
from gptcore.training.class_weight import ClassWeight, text_weights

Ngrams = Literal["words", "auto"]
INVERSE_PENALTIES = (0.1, 1.0, 10.0, 100.0)  # scikit-learn's C; the validation split chooses
# Terms kept x classes, at most, when the terms are chosen here: beyond it the solver needs gigabytes.
MOST_COEFFICIENTS = 10_000_000
# Any word, however short, and any sign between words (an emoji, a question mark) by itself.
_WORD_OR_SIGN = r"\w+|[^\w\s]"
# Of a vectoriser, all that is not the default
_SETTINGS = ("analyzer", "ngram_range", "token_pattern", "sublinear_tf")
_BOTH = "words and characters"
_NOTHING = "no training text has anything to count: TF-IDF answers by the size of the classes alone"
_NO_WORD = "no training text has a word of two letters: characters were counted instead"


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """A fitted scikit-learn pipeline, the C that the validation split chose, and remarks for the record."""

    pipeline: Any
    inverse_penalty: float
    notes: tuple[str, ...] = ()

    def refit(self, inputs: Any, labels: np.ndarray) -> LogisticFit:
        """The same pipeline with the same C, fitted anew. labels: (N,) int64."""
        from sklearn.base import clone

        return replace(self, pipeline=clone(self.pipeline).fit(inputs, labels))

    def evaluate(self, inputs: Any, labels: np.ndarray) -> Evaluation:
        """Predictions on inputs of the kind that the pipeline was fitted on."""
        return Evaluation(np.asarray(labels), self.probabilities(inputs))

    def probabilities(self, inputs: Any) -> np.ndarray:
        """(N, n_classes) float64 of inputs of the kind that the pipeline was fitted on, of which there are some."""
        return np.asarray(self.pipeline.predict_proba(inputs))

    @property
    def n_classes(self) -> int:
        """Columns of `probabilities`."""
        return len(self.pipeline[-1].classes_)

    def learned(self) -> dict[str, np.ndarray]:
        """What was fitted, as float64 arrays by name."""
        first, model = self.pipeline[0], self.pipeline[-1]
        found = {"coefficients": model.coef_, "intercepts": model.intercept_}
        if hasattr(first, "scale_"):
            found |= {"mean": first.mean_, "scale": first.scale_}
        else:
            found |= {f"idf.{name}": part.idf_ for name, part in parts_of(first).items()}
        return {name: np.ascontiguousarray(array) for name, array in found.items()}

    def details(self) -> dict[str, Any]:
        """What else there is to know, as JSON values."""
        found = {"classes": self.pipeline[-1].classes_.tolist(), "inverse_penalty": self.inverse_penalty}
        if not hasattr(self.pipeline[0], "scale_"):
            found["counts"] = {
                name: {
                    "settings": {setting: getattr(part, setting) for setting in _SETTINGS},
                    "terms": part.get_feature_names_out().tolist(),
                }
                for name, part in parts_of(self.pipeline[0]).items()
            }
        return found

    @classmethod
    def restore(cls, learned: Mapping[str, np.ndarray], details: Mapping[str, Any]) -> LogisticFit:
        """Build it again from what `learned` and `details` gave. Raises KeyError or ValueError."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        counts = details.get("counts")
        first = _restored_scaler(learned) if counts is None else _restored_counts(learned, counts)
        model = LogisticRegression(C=details["inverse_penalty"], max_iter=2000)
        model.coef_, model.intercept_ = learned["coefficients"], learned["intercepts"]
        model.classes_, model.n_features_in_ = np.asarray(details["classes"]), model.coef_.shape[1]
        return cls(make_pipeline(first, model), details["inverse_penalty"])

    @property
    def n_params(self) -> int:
        """Coefficients and intercepts."""
        model = self.pipeline[-1]
        return int(model.coef_.size + model.intercept_.size)


def parts_of(transformer: Any) -> dict[str, Any]:
    """The vectorisers in it, by name: one, several side by side, or none."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    if isinstance(transformer, FeatureUnion):
        return dict(transformer.transformer_list)
    return {"only": transformer} if isinstance(transformer, TfidfVectorizer) else {}


def _restored_scaler(arrays: Mapping[str, np.ndarray]) -> Any:
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    scaler.mean_, scaler.scale_ = arrays["mean"], arrays["scale"]
    scaler.var_, scaler.n_features_in_ = scaler.scale_**2, len(scaler.mean_)
    return scaler


def _restored_counts(arrays: Mapping[str, np.ndarray], counts: Mapping[str, Any]) -> Any:
    from sklearn.pipeline import FeatureUnion
    from sklearn.preprocessing import FunctionTransformer

    from gptcore.training.vectoriser import Vectoriser

    parts = {}
    for name, said in counts.items():
        settings = {setting: said["settings"][setting] for setting in _SETTINGS}
        settings["ngram_range"] = tuple(settings["ngram_range"])
        parts[name] = Vectoriser(**settings, vocabulary=said["terms"])
        parts[name].idf_ = arrays[f"idf.{name}"]
    if not parts:
        return FunctionTransformer(_zeros)
    return next(iter(parts.values())) if len(parts) == 1 else FeatureUnion(list(parts.items()))


class _Candidate(NamedTuple):
    """A fitted transformer, and what it makes of the training and the validation inputs."""

    transformer: Any
    train: Any
    validation: Any


def fit_tfidf(
    texts: Sequence[str],
    labels: np.ndarray,
    validation_texts: Sequence[str],
    validation_labels: np.ndarray,
    ngrams: Ngrams = "words",
    class_weight: ClassWeight | None = None,
) -> LogisticFit:
    """TF-IDF, then logistic regression: what a GPT has to beat.

    ngrams: "words" counts words and word pairs, as published; "auto" takes words and signs, characters or both,
    whichever has the lowest validation loss (characters also serve scripts without blanks). Texts without a word
    fall back to characters, and blank ones to the size of the classes. class_weight: scikit-learn's, for the
    validation loss as well.
    """
    vectorisers = _vectorisers(ngrams, n_classes=len(np.unique(labels)))
    notes: tuple[str, ...] = ()
    found = _counted(vectorisers, texts, validation_texts)
    if not found and ngrams == "words":
        found = _counted({"characters": _characters(None)}, texts, validation_texts)
        notes = (_NO_WORD,)
    if not found:
        found = {"nothing": _no_terms(texts, validation_texts)}
        notes = (_NOTHING,)
    if len(found) > 1:
        found[_BOTH] = _union(found)
    name, fitted = _fit(found, labels, validation_labels, class_weight)
    if ngrams == "auto" and not notes:
        notes = (
            f"TF-IDF of {name}, C = {fitted.inverse_penalty:g}: the lowest loss on the validation texts",
        )
    return LogisticFit(fitted.pipeline, fitted.inverse_penalty, notes)


def fit_features(
    features: np.ndarray,
    labels: np.ndarray,
    validation_features: np.ndarray,
    validation_labels: np.ndarray,
    class_weight: ClassWeight | None = None,
) -> LogisticFit:
    """Standardise frozen features (N, d_model), then logistic regression. class_weight: as for `fit_tfidf`."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features)
    only = _Candidate(scaler, scaler.transform(features), scaler.transform(validation_features))
    return _fit({"features": only}, labels, validation_labels, class_weight)[1]


def _vectorisers(ngrams: Ngrams, n_classes: int) -> dict[str, Any]:
    from gptcore.training.vectoriser import Vectoriser

    if ngrams == "words":
        return {"words": Vectoriser(ngram_range=(1, 2), sublinear_tf=True)}
    most = MOST_COEFFICIENTS // n_classes
    words = Vectoriser(ngram_range=(1, 2), sublinear_tf=True, token_pattern=_WORD_OR_SIGN, max_features=most)
    return {"words": words, "characters": _characters(most)}


def _characters(most: int | None) -> Any:
    """N-grams of one to four characters within words, whose ends count as a blank."""
    from gptcore.training.vectoriser import Vectoriser

    return Vectoriser(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, max_features=most)


def _counted(
    vectorisers: Mapping[str, Any], texts: Sequence[str], validation_texts: Sequence[str]
) -> dict[str, _Candidate]:
    """Those that find a term in any training text; scikit-learn raises an error for the others."""
    found = {}
    for name, vectoriser in vectorisers.items():
        terms_of = vectoriser.build_analyzer()
        if any(terms_of(text) for text in texts):
            train = vectoriser.fit_transform(texts)
            found[name] = _Candidate(vectoriser, train, vectoriser.transform(validation_texts))
    return found


def _union(parts: Mapping[str, _Candidate]) -> _Candidate:
    """All terms side by side, without counting them again."""
    from scipy.sparse import hstack
    from sklearn.pipeline import FeatureUnion

    return _Candidate(
        FeatureUnion([(name, part.transformer) for name, part in parts.items()]),
        hstack([part.train for part in parts.values()]).tocsr(),
        hstack([part.validation for part in parts.values()]).tocsr(),
    )


def _no_terms(texts: Sequence[str], validation_texts: Sequence[str]) -> _Candidate:
    """One feature that is always zero, which leaves the intercepts."""
    from sklearn.preprocessing import FunctionTransformer

    return _Candidate(FunctionTransformer(_zeros), _zeros(texts), _zeros(validation_texts))


def _zeros(texts: Sequence[str]) -> np.ndarray:
    return np.zeros((len(texts), 1))


def _fit(
    candidates: Mapping[str, _Candidate],
    labels: np.ndarray,
    validation_labels: np.ndarray,
    class_weight: ClassWeight | None,
) -> tuple[str, LogisticFit]:
    """The candidate and the C with the lowest validation loss, the first of equals: its name, and the fit."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from threadpoolctl import threadpool_limits

    (weights,) = text_weights(class_weight, labels, validation_labels)
    best: tuple[float, str, Any] | None = None
    for name, candidate in candidates.items():
        for c in INVERSE_PENALTIES:
            model = LogisticRegression(C=c, max_iter=2000, class_weight=class_weight)
            # The solver's many short vector operations take ten times as long on threads that wait for each other.
            with threadpool_limits(1, "blas"):
                model.fit(candidate.train, labels)
            seen = Evaluation(validation_labels, model.predict_proba(candidate.validation))
            loss = seen.weighted_loss(weights)
            if best is None or loss < best[0]:
                best = loss, name, model
    assert best is not None
    _, name, model = best
    return name, LogisticFit(make_pipeline(candidates[name].transformer, model), model.C)
