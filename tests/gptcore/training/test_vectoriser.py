"""Terms are counted as scikit-learn counts them, to the bit."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer

from gptcore.training import vectoriser
from gptcore.training.vectoriser import Vectoriser

TEXTS = [
    "win a prize now now",
    "see you \u0130n \u039f\u0394\u039f\u03a3",
    "caf\u00e9  \U0001f600!",
    "prize 2024",
]
KINDS = {
    "words": {"ngram_range": (1, 2)},
    "words and signs": {"ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]"},
    "characters": {"analyzer": "char_wb", "ngram_range": (1, 4)},
    "long characters": {"analyzer": "char_wb", "ngram_range": (4, 6)},
}


def check_equal(found, expected) -> None:
    assert found.shape == expected.shape
    for name in ("indptr", "indices", "data"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name


@cache
def fitted(kind: str) -> tuple[Vectoriser, Vectoriser, TfidfVectorizer]:
    """Ours, ours with a vocabulary that was given, and scikit-learn's."""
    own, their = (made(sublinear_tf=True, **KINDS[kind]) for made in (Vectoriser, TfidfVectorizer))
    check_equal(own.fit_transform(TEXTS), their.fit_transform(TEXTS))
    known = Vectoriser(**KINDS[kind], sublinear_tf=True, vocabulary=own.get_feature_names_out().tolist())
    known.idf_ = own.idf_
    return own, known, their


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50)
@given(texts=st.lists(st.text(max_size=30) | st.sampled_from(TEXTS), min_size=1, max_size=6))
def test_any_text_has_the_same_row(kind: str, texts: list[str]) -> None:
    own, known, their = fitted(kind)
    expected = their.transform(texts)
    check_equal(own.transform(texts), expected)
    check_equal(known.transform(texts), expected)


def test_words_are_looked_up_once_and_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectoriser, "WORDS_KEPT", 3)
    choices = {"analyzer": "char_wb", "ngram_range": (1, 4)}
    own, their = Vectoriser(**choices).fit(TEXTS), TfidfVectorizer(**choices).fit(TEXTS)
    asked: list[str] = []
    ngrams = own._char_wb_ngrams
    monkeypatch.setattr(own, "_char_wb_ngrams", lambda word: asked.append(word) or ngrams(word))
    own.transform(["win win a", "a win"])
    assert asked == ["win", "a"]
    check_equal(own.transform(TEXTS), their.transform(TEXTS))
    assert len(own._words) <= 3


def test_what_was_known_of_words_does_not_outlast_the_vocabulary() -> None:
    choices = {"analyzer": "char_wb", "ngram_range": (1, 4), "max_features": 9}
    own = Vectoriser(**choices)
    for texts in (TEXTS, ["prize to see", "you win"], TEXTS):
        their = TfidfVectorizer(**choices).fit(texts)
        own.fit(texts)
        check_equal(own.transform(TEXTS), their.transform(TEXTS))
    check_equal(clone(own).fit(TEXTS).transform(TEXTS), their.transform(TEXTS))
