"""Words that moved an answer: exact for TF-IDF, brute force for everything else."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from typer.testing import CliRunner

from gptcore import Dataset, Recipe, TextClassifier, fit
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.weights import random_gpt, save_gpt
from gptcore.classifier import Threshold
from gptcore.cli import app
from gptcore.commands.explain import lines
from gptcore.errors import UserError
from gptcore.explain import MOST_PIECES, pieces, without
from gptcore.training.logistic import LogisticFit
from gptcore.training.predictors import TfidfPredictor

CONFIG = ModelConfig(d_model=8, n_layer=2, n_head=2, context=16, vocab_size=8192, tokenizer="embedded")
WORDS = {
    "spam": ["win", "prize", "free", "call", "claim", "cash"],
    "ham": ["home", "dinner", "see", "tonight", "mum", "bus"],
    "news": ["market", "election", "storm", "minister", "court", "bank"],
}
COMMON = ["you", "now", "the", "a", "to", "at", "İstanbul", "we're"]
TEXT = "Mum, WIN the cash now! It's İstanbul's  storm… 现金"


def data(*classes: str) -> Dataset:
    rng = np.random.default_rng(0)
    labels = [classes[i % len(classes)] for i in range(60)]
    texts = [
        " ".join(rng.permutation([*rng.choice(WORDS[label], 2), *rng.choice(COMMON, 3)])) + f" {i}"
        for i, label in enumerate(labels)
    ]
    return Dataset.from_texts(texts, labels)


@pytest.fixture(scope="module")
def tfidf() -> Callable[..., TextClassifier]:
    made = {}

    def make(ngrams: str, *classes: str) -> TextClassifier:
        if (ngrams, classes) not in made:
            made[ngrams, classes] = fit(Recipe(model="tfidf", ngrams=ngrams), data(*classes)).classifier
        return made[ngrams, classes]

    return make


@pytest.fixture(scope="module", params=["last_block", "features"])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TextClassifier:
    folder = tmp_path_factory.mktemp("checkpoint")
    save_gpt(random_gpt(CONFIG, 3), folder)
    recipe = Recipe(
        model=str(folder), train=request.param, position="last_real", epochs=2, lr=1e-2, context=16
    )
    return fit(recipe, data("ham", "spam", "news"), device="cpu").classifier


@pytest.mark.parametrize("ngrams", ["words", "auto"])
@pytest.mark.parametrize("classes", [("ham", "spam"), ("ham", "spam", "news")], ids=str)
@pytest.mark.parametrize("text", [TEXT, "win", "zzz", "now now the NOW"])
def test_tfidf_adds_up_to_the_logit_difference(
    tfidf: Callable[..., TextClassifier], ngrams: str, classes: tuple[str, ...], text: str
) -> None:
    classifier = tfidf(ngrams, *classes)
    found = classifier.explain(text)
    expected = classifier.predict_proba([text])[0]
    margin = np.log(expected[classifier.labels.index(found.label)]) - np.log(
        expected[classifier.labels.index(found.against)]
    )
    assert found.base is not None
    assert found.margin == pytest.approx(margin, abs=1e-9)
    assert sum(word.weight for word in found.words) + found.base == pytest.approx(margin, abs=1e-9)
    assert (found.label, found.probability) == (classifier.predict([text])[0], pytest.approx(expected.max()))


def test_a_word_of_tfidf_alone_has_its_coefficient_times_its_value(
    tfidf: Callable[..., TextClassifier],
) -> None:
    classifier = tfidf("words", "ham", "spam")
    vectoriser, model = classifier.predictor.logistic.pipeline
    found = classifier.explain("unknown cash unknown")
    values = vectoriser.transform(["unknown cash unknown"]).toarray()[0]
    at = vectoriser.vocabulary_["cash"]
    assert np.flatnonzero(values).tolist() == [at]
    assert [word.weight for word in found.words] == pytest.approx([0, model.coef_[0, at] * values[at], 0])
    assert found.base == pytest.approx(model.intercept_[0])


def test_a_union_of_words_and_characters_adds_up() -> None:
    texts = data("ham", "spam", "news")
    union = FeatureUnion(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)),
            ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)),
        ]
    )
    pipeline = make_pipeline(union, LogisticRegression(C=10)).fit(texts.train.texts, texts.train.labels)
    predictor = TfidfPredictor(LogisticFit(pipeline, 10.0))
    classifier = TextClassifier(Recipe(model="tfidf"), texts.label_names, predictor, temperature=1.7)
    found = classifier.explain(TEXT)
    expected = np.log(np.sort(classifier.predict_proba([TEXT])[0])[::-1])
    assert found.margin == pytest.approx(expected[0] - expected[1], abs=1e-6)
    assert sum(word.weight for word in found.words) + (found.base or 0) == pytest.approx(found.margin)


def test_occlusion_is_brute_force(network: TextClassifier) -> None:
    found = network.explain(TEXT)
    answer, other = map(network.labels.index, (found.label, found.against))

    def margin(text: str) -> float:
        logs = np.log(network.predict_proba([text])[0])
        return float(logs[answer] - logs[other])

    assert found.base is None
    assert found.margin == pytest.approx(margin(TEXT), abs=1e-5)
    assert "".join(word.text for word in found.words) == "".join(TEXT.split())
    for word in found.words:
        assert TEXT[word.begin : word.end] == word.text
        assert word.weight == pytest.approx(
            margin(TEXT) - margin(without(TEXT, (word.begin, word.end))), abs=1e-5
        )


def test_a_planted_word_moves_most(tfidf: Callable[..., TextClassifier], tmp_path: Path) -> None:
    found = tfidf("auto", "ham", "spam").explain("a the prize at now")
    assert found.label == "spam"
    assert max(found.words, key=lambda each: each.weight).text == "prize"
    save_gpt(random_gpt(CONFIG, 3), tmp_path)
    labels = ["yes", "no"] * 40
    rng = np.random.default_rng(0)
    texts = [
        " ".join(rng.permutation([*rng.choice(COMMON[:6], 4), "secret" if label == "yes" else "plain"]))
        + f" {i}"
        for i, label in enumerate(labels)
    ]
    recipe = Recipe(model=str(tmp_path), train="all", position="mean_real", epochs=10, lr=1e-2)
    classifier = fit(recipe, Dataset.from_texts(texts, labels), device="cpu").classifier
    for word, label in (("secret", "yes"), ("plain", "no")):
        found = classifier.explain(f"you the {word} now to")
        assert found.label == label
        assert max(found.words, key=lambda each: each.weight).text == word


def test_temperature_and_threshold_count(tfidf: Callable[..., TextClassifier]) -> None:
    plain = tfidf("words", "ham", "spam")
    other = replace(plain, temperature=2.0, threshold=Threshold(positive="spam", at=0.99))
    before, after = plain.explain("win cash home"), other.explain("win cash home")
    assert (before.label, after.label) == ("spam", "ham")
    assert [word.weight for word in after.words] == pytest.approx([-word.weight / 2 for word in before.words])


@given(st.text(max_size=60))
def test_pieces_cover_every_letter_once(text: str) -> None:
    spans, together = pieces(text, 10_000)
    assert together == 1
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    covered = {at for low, high in spans for at in range(low, high)}
    assert all(text[at].isspace() for at in set(range(len(text))) - covered)


def test_a_long_text_is_divided_into_few_pieces() -> None:
    spans, together = pieces("word " * 1001, MOST_PIECES)
    assert together == 6
    assert len(spans) == 167 <= MOST_PIECES


@pytest.mark.parametrize(
    ("text", "word", "left"),
    [
        ("a b c", "b", "a c"),
        ("a b", "a", "b"),
        ("a b", "b", "a "),
        ("so (b) c", "b", "so () c"),
        ("a", "a", ""),
    ],
)
def test_what_is_left_without_a_word(text: str, word: str, left: str) -> None:
    at = text.index(word)
    assert without(text, (at, at + len(word))) == left


def test_a_blank_text_is_refused(tfidf: Callable[..., TextClassifier]) -> None:
    with pytest.raises(UserError, match="the text is empty"):
        tfidf("words", "ham", "spam").explain(" \n")


def test_the_command(tfidf: Callable[..., TextClassifier], tmp_path: Path) -> None:
    classifier = tfidf("words", "ham", "spam")
    classifier.save(tmp_path)
    done = CliRunner().invoke(app, ["explain", str(tmp_path), "win cash\x1b now"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("spam 0.")
    assert "\x1b" not in done.output
    assert "without any word" in done.output
    done = CliRunner().invoke(app, ["explain", str(tmp_path), "--json"], input="win cash now")
    content = json.loads(done.output)
    assert content["label"] == "spam"
    assert [word["text"] for word in content["words"]] == ["win", "cash", "now"]


def test_colours_only_where_asked_for(tfidf: Callable[..., TextClassifier]) -> None:
    found = tfidf("words", "ham", "spam").explain("win cash home\x1b[2J")
    coloured = "\n".join(lines(found, True))
    assert "\x1b[32m\x1b[1mcash" in coloured or "\x1b[32m\x1b[1mwin" in coloured
    assert "\x1b[31m" in coloured  # home speaks against it
    assert "\x1b[2J" not in coloured
    assert "\x1b" not in "\n".join(lines(found, False))
