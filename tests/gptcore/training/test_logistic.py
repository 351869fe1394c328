"""Logistic regression on TF-IDF and on features, against scikit-learn pipelines put together by hand."""

import json

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from gptcore.training import logistic
from gptcore.training.logistic import fit_features, fit_tfidf

WORDS = (["win", "prize", "now", "call"], ["see", "you", "at", "home"], ["rain", "sun", "wind", "now"])


def make_texts(n: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Texts of three classes; some words are another class's."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    texts = [
        " ".join(rng.choice(WORDS[label if rng.random() < 0.6 else rng.integers(3)]) for _ in range(6))
        for label in labels
    ]
    return texts, labels


TRAIN, VALIDATION, TEST = make_texts(60, 0), make_texts(30, 1), make_texts(40, 2)


def best_by_hand(make, train, validation):
    """The pipeline of the C with the lowest validation loss."""
    losses = {}
    for c in (0.1, 1.0, 10.0, 100.0):
        pipeline = make(LogisticRegression(C=c, max_iter=2000)).fit(*train)
        losses[c] = log_loss(validation[1], pipeline.predict_proba(validation[0])), pipeline
    best = min(losses, key=lambda c: losses[c][0])
    assert len({round(loss, 6) for loss, _ in losses.values()}) == 4
    return best, losses[best][1]


def test_tfidf_is_the_pipeline_made_by_hand():
    c, expected = best_by_hand(
        lambda model: make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), model),
        TRAIN,
        VALIDATION,
    )
    fitted = fit_tfidf(*TRAIN, *VALIDATION)
    assert fitted.inverse_penalty == c
    found = fitted.evaluate(*TEST)
    np.testing.assert_allclose(found.probabilities, expected.predict_proba(TEST[0]), rtol=1e-6)
    assert found.accuracy == pytest.approx(expected.score(*TEST))
    assert found.accuracy > 0.6
    n_terms = len(expected[0].vocabulary_)
    assert fitted.n_params == n_terms * 3 + 3


def test_auto_is_the_best_of_three_pipelines_made_by_hand():
    def words():
        return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+|[^\w\s]")

    def characters():
        return TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)

    union = FeatureUnion([("words", words()), ("characters", characters())])
    losses = {}
    for name, vectoriser in {
        "words": words(),
        "characters": characters(),
        "words and characters": union,
    }.items():
        _, pipeline = best_by_hand(
            lambda model, vectoriser=vectoriser: make_pipeline(vectoriser, model), TRAIN, VALIDATION
        )
        losses[name] = log_loss(VALIDATION[1], pipeline.predict_proba(VALIDATION[0])), pipeline
    best = min(losses, key=lambda name: losses[name][0])
    fitted = fit_tfidf(*TRAIN, *VALIDATION, ngrams="auto")
    expected = losses[best][1].fit(*TRAIN).predict_proba(TEST[0])
    np.testing.assert_allclose(fitted.evaluate(*TEST).probabilities, expected, rtol=1e-5)
    assert f"TF-IDF of {best}, C" in fitted.notes[0]


def labelled(make, n: int, seed: int) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return [make(label, rng) for label in labels], labels


def chinese(label, rng):
    """A clause without blanks, in which one character decides."""
    filler = "我们他老师学生昨天今早晚上说这本书那部电影家饭店"
    parts = ["".join(rng.choice(list(filler), 6)) for _ in range(2)]
    return parts[0] + ("很好" if label else "很差") + parts[1]


def emoji(label, rng):
    return "".join(rng.choice(list("😀😍🎉👍" if label else "😡👎💔🤮"), 4))


def letters(label, rng):
    return " ".join(rng.choice(list("abcd" if label else "wxyz"), 3))


@pytest.mark.parametrize("make", [chinese, emoji, letters])
def test_auto_learns_where_there_are_no_words_between_blanks(make):
    train, validation, test = (labelled(make, n, seed) for seed, n in enumerate((80, 20, 40)))
    assert fit_tfidf(*train, *validation, ngrams="auto").evaluate(*test).accuracy == 1


def test_words_learn_nothing_of_chinese():
    train, validation, test = (labelled(chinese, n, seed) for seed, n in enumerate((80, 20, 40)))
    assert fit_tfidf(*train, *validation).evaluate(*test).accuracy == 0.5


@pytest.mark.parametrize("make", [emoji, letters])
def test_the_published_setting_falls_back_to_characters_and_says_so(make):
    train, validation, test = (labelled(make, n, seed) for seed, n in enumerate((80, 20, 40)))
    fitted = fit_tfidf(*train, *validation)
    assert fitted.evaluate(*test).accuracy == 1
    assert "characters were counted instead" in fitted.notes[0]


@pytest.mark.parametrize("ngrams", ["words", "auto"])
def test_blank_texts_are_answered_by_the_size_of_the_classes(ngrams):
    fitted = fit_tfidf([" "] * 8, np.array([0] * 6 + [1] * 2), ["\t", ""], np.array([0, 1]), ngrams=ngrams)
    found = fitted.evaluate(["", "a text"], np.array([0, 1]))
    np.testing.assert_allclose(found.probabilities, [[0.75, 0.25]] * 2, atol=1e-3)
    assert "anything to count" in fitted.notes[0]


@pytest.mark.parametrize("ngrams", ["words", "auto"])
def test_one_token_in_all_is_no_error(ngrams):
    fitted = fit_tfidf(["yes"] * 4, np.array([0, 1, 0, 1]), ["yes", "no"], np.array([0, 1]), ngrams=ngrams)
    assert fitted.evaluate(["yes", "?"], np.array([0, 1])).probabilities.shape == (2, 2)


def test_many_classes_keep_fewer_terms(monkeypatch):
    monkeypatch.setattr(logistic, "MOST_COEFFICIENTS", 30)
    fitted = fit_tfidf(*TRAIN, *VALIDATION, ngrams="auto")
    assert fitted.n_params <= 2 * 30 + 3
    assert fitted.evaluate(*TEST).accuracy > 0.5


def test_features_are_standardised_then_fitted():
    rng = np.random.default_rng(0)
    labels = [rng.integers(2, size=n) for n in (50, 30, 20)]
    splits = [(rng.normal(size=(len(y), 5)) * [1, 10, 100, 1, 1] + 3 + 0.8 * y[:, None], y) for y in labels]
    c, expected = best_by_hand(lambda model: make_pipeline(StandardScaler(), model), splits[0], splits[1])
    fitted = fit_features(*splits[0], *splits[1])
    assert fitted.inverse_penalty == c
    found = fitted.evaluate(*splits[2])
    np.testing.assert_allclose(found.probabilities, expected.predict_proba(splits[2][0]), rtol=1e-6)
    assert fitted.n_params == 5 + 1  # one row of coefficients tells two classes apart


@pytest.mark.parametrize(
    "texts", [("win now", "see you", "win", "at home"), ("a b", "c", "a a", "d"), ("", " ", "", "")]
)
@pytest.mark.parametrize("ngrams", ["words", "auto"])
def test_what_is_restored_predicts_the_same_bits(texts: tuple[str, ...], ngrams: logistic.Ngrams) -> None:
    """Words, words and characters side by side, characters alone, and nothing to count."""
    labels = np.array([0, 1, 0, 1])
    found = fit_tfidf(texts, labels, texts, labels, ngrams)
    back = logistic.LogisticFit.restore(found.learned(), json.loads(json.dumps(found.details())))
    asked = [*texts, "win at home", "e"]
    assert np.array_equal(back.probabilities(asked), found.probabilities(asked))
