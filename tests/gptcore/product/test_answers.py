"""Answers to texts: the same whatever stands beside them, long ones as asked, none where there is nothing to say."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcore import Recipe, TextClassifier, load_dataset
from gptcore.errors import UserError
from gptcore.product.answers import answer, pieces_of, tokens_read
from gptcore.product.fitting import fit_to_keep
from tests.gptcore.export.conftest import bytes_tokenizer, save_tokenizer, wordpiece_tokenizer

TEXTS = [
    "win a free prize",
    "see you at home",
    "now " * 40,
    "hello",
    "call me: 555 now now",
    "\U0001f600 see",
]


@pytest.fixture(scope="module")
def classifier(spam_filter: Path) -> TextClassifier:
    return TextClassifier.load(spam_filter)


# What the head may read, and what it may see: padding that counts is part of a row, whatever stands beside it
KINDS: dict[str, dict[str, object]] = {
    "last_real": {"position": "last_real", "train": "all"},
    "mean_real": {"position": "mean_real", "attend_padding": False},
    "the last token, mostly padding": {"position": "last"},
    "the mean, padding included": {"position": "mean"},
    "padding is seen by all": {"position": "first", "attention": "bidirectional"},
    "padding on the left": {"position": "last", "padding": "left"},
    "padding on the left, hidden": {"position": "last", "padding": "left", "attend_padding": False},
    "without padding": {"position": "last", "padding": "none"},
    "features": {"position": "mean_real", "train": "features"},
    "features of padding": {"position": "mean", "train": "features", "padding": "left"},
    "tfidf": {"model": "tfidf"},
}
# Models of `transformers`, with the tokenizer that they have; Llama's texts have no special tokens around them
FAMILIES = {
    "llama": (bytes_tokenizer, {"position": "last_real", "train": "lora", "lora_targets": ["all-linear"]}),
    "llama, padding on the left": (bytes_tokenizer, {"position": "last", "padding": "left"}),
    "bert": (wordpiece_tokenizer, {"position": "first", "attend_padding": False}),
    "bert, the mean": (wordpiece_tokenizer, {"position": "mean_real", "attend_padding": False}),
}


@pytest.fixture(scope="module", params=KINDS)
def of_any_kind(request: pytest.FixtureRequest, checkpoint: Path, reviews: Path) -> TextClassifier:
    """A classifier whose rows have 9 tokens, if it reads tokens."""
    kind = KINDS[request.param]
    network = {"model": str(checkpoint), "epochs": 2, "lr": 1e-2, "context": 9}
    recipe = Recipe.model_validate((network if "model" not in kind else {}) | kind)
    return fit_to_keep(recipe, load_dataset(reviews), device="cpu").classifier


@pytest.fixture(
    scope="module",
    params=["llama", *(pytest.param(kind, marks=pytest.mark.slow) for kind in [*FAMILIES][1:])],
)
def of_any_family(request, reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> TextClassifier:
    """The same with a toy of `transformers`."""
    pytest.importorskip("transformers")
    from tests.parity.toys import save_toy

    (make_tokenizer, choices), family = FAMILIES[request.param], request.param.split(",")[0]
    folder, tokenizer = tmp_path_factory.mktemp(family), make_tokenizer()
    save_toy(family, folder, vocab_size=tokenizer.get_vocab_size())
    save_tokenizer(tokenizer, folder, around=family == "bert")
    network = {"model": str(folder), "attention": "native", "epochs": 2, "lr": 1e-2, "context": 9}
    return fit_to_keep(
        Recipe.model_validate(network | choices), load_dataset(reviews), device="cpu"
    ).classifier


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_an_answer_depends_on_its_text_alone(of_any_kind, data) -> None:
    check_each_alone(of_any_kind, data)


@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_an_answer_of_another_architecture_depends_on_its_text_alone(of_any_family, data) -> None:
    assert tokens_read(of_any_family) == 9
    check_each_alone(of_any_family, data)


def check_each_alone(classifier: TextClassifier, data: st.DataObject) -> None:
    """Texts in any number and order have the answers that each of them has alone."""
    texts = [*TEXTS, *data.draw(st.lists(st.text("win prize now see\u00e9", max_size=40), max_size=3))]
    some = data.draw(st.permutations(texts))[: data.draw(st.integers(1, len(texts)))]
    reads_tokens = tokens_read(classifier) is not None
    long = data.draw(st.sampled_from(["head", "head+tail", "window"] if reads_tokens else ["head"]))
    found = answer(classifier, some, long)
    for at, text in enumerate(some):
        alone = answer(classifier, [text], long)
        assert found.of_labels[at] == pytest.approx(alone.of_labels[0], abs=1e-6)
        assert found.cut[at] == alone.cut[0]
        if abs(alone.of_labels[0][0] - 0.5) > 1e-5:  # where rounding cannot decide
            assert found.labels[at] == alone.labels[0]


def test_answers_are_those_of_predict(classifier) -> None:
    found = answer(classifier, TEXTS)
    assert found.labels == classifier.predict(TEXTS)
    np.testing.assert_allclose(found.probabilities, classifier.predict_proba(TEXTS).max(axis=1), atol=1e-6)
    assert found.cut.tolist() == [False, False, True, False, False, False]
    assert tokens_read(classifier) == 9


def test_windows_are_averaged(classifier) -> None:
    text = "win free prize now call " * 5
    sequence = classifier.predictor.tokenizer.encode(text)
    pieces = [classifier.predictor.tokenizer.decode(piece) for piece in pieces_of(sequence, 9, "window")]
    expected = classifier.calibrated(
        classifier.predictor.of_sequences(pieces_of(sequence, 9, "window"))
    ).mean(axis=0)
    assert len(pieces) > 1
    assert answer(classifier, [text], "window").probabilities[0] == pytest.approx(expected.max())


@given(n=st.integers(0, 60), length=st.integers(1, 12))
def test_pieces_are_short_enough_and_windows_leave_nothing_out(n: int, length: int) -> None:
    sequence = list(range(n))
    for long in ("head", "head+tail", "window"):
        pieces = pieces_of(sequence, length, long)
        assert all(len(piece) <= length for piece in pieces)
        assert pieces == [sequence] or all(len(piece) == length for piece in pieces)
    assert sorted({token for piece in pieces for token in piece}) == sequence
    (both,) = pieces_of(sequence, length, "head+tail")
    assert both[0:1] == sequence[0:1]
    assert length == 1 or both[-1:] == sequence[-1:]


def test_blank_and_uncertain_texts_have_no_label(classifier) -> None:
    found = answer(classifier, ["", "win prize", " \u200b"], abstain=1.0)
    assert found.labels == ["", "", ""]
    assert found.probabilities[[0, 2]].tolist() == [0, 0]
    assert found.probabilities[1] > 0
    assert answer(classifier, []).labels == []


def test_what_reads_texts_whole_has_no_windows(reviews) -> None:
    classifier = fit_to_keep(Recipe(model="tfidf"), load_dataset(reviews)).classifier
    assert not answer(classifier, ["win " * 500]).cut.any()
    with pytest.raises(UserError, match="reads every text whole"):
        answer(classifier, ["win"], "window")
