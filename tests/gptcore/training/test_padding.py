"""Other paddings of the test texts: those that exist, predicted as by hand, the same with both engines."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from gptcore.backbones.config import REGISTRY, ModelConfig, ModelEntry
from gptcore.data.datasets import Dataset, Split
from gptcore.data.rows import Rows, pad
from gptcore.data.tiktoken_tokenizer import TiktokenTokenizer
from gptcore.data.tokenizer import load_tokenizer
from gptcore.engine import trunk_cache
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.engine.layout import plain_layout
from gptcore.engine.trunk import compute_trunk
from gptcore.recipe import Recipe
from gptcore.result import Evaluation, Fit
from gptcore.training import padding
from gptcore.training.evaluate import evaluate
from gptcore.training.fit import fit
from gptcore.training.padding import PaddingCheck, other_paddings

CONTEXT = 16
CONFIG = ModelConfig(d_model=8, n_layer=2, n_head=2, context=CONTEXT, vocab_size=8192, tokenizer="embedded")
WORDS = [["win", "prize", "now", "free", "call"], ["see", "you", "at", "home", "now"]]


def make_split(n: int, seed: int, most: int) -> Split:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    texts = tuple(" ".join(rng.choice(WORDS[label], size=rng.integers(1, most))) for label in labels)
    return Split(texts, labels)


DATA = Dataset(
    *("toy", make_split(32, 0, 5), make_split(8, 1, 5), make_split(40, 2, 7), ("spam", "ham"), "", ""),
    split_seed=0,
    duplicates=0,
)


@pytest.fixture(scope="module", autouse=True)
def toy_entry() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(REGISTRY, "toy", ModelEntry(config=CONFIG, source="bundled", about="a toy"))
        yield


def fitted(engine: str = "fast", **choices: object) -> tuple[Fit, list[PaddingCheck]]:
    values = {"model": "toy", "weights": "random", "epochs": 2, "lr": 1e-2, "train": "last_block"}
    made = Engine(engine)
    result = fit(Recipe(**values | choices), DATA, 0, made, "cpu")
    return result, other_paddings(result, DATA.test.labels, made)


def test_the_other_paddings_are_those_that_exist() -> None:
    result, found = fitted()
    assert result.inputs is not None
    length = result.inputs.tokens_per_row
    assert length is not None
    doubled = min(2 * length, CONTEXT)
    assert [(c.padding, c.tokens_per_row) for c in found] == [
        ("left", length),
        ("right", doubled),
        ("none", None),
    ]
    _, found = fitted(padding="left", context="model")  # cannot be longer than it is
    assert [(c.padding, c.tokens_per_row) for c in found] == [("right", CONTEXT), ("none", None)]
    _, found = fitted(padding="none", position="last_real")
    assert [c.padding for c in found] == ["right", "left", "right"]


@pytest.mark.parametrize("train", ["last_block", "last_two_blocks", "last_layer", "all", "lora"])
def test_predictions_are_those_by_hand(train: str) -> None:
    result, found = fitted(train=train, position="last")
    classifier = result.classifier.predictor.network
    assert isinstance(classifier, Classifier)
    assert classifier.layout == Engine("fast").layout(result.recipe, classifier.backbone.info)  # put back
    tokenizer = load_tokenizer("embedded")
    assert result.inputs is not None
    cut = result.inputs.tokens_per_row
    texts = [text[:cut] for text in tokenizer.encode_batch(DATA.test.texts)]
    assert result.inputs.n_truncated > 0  # longer padding must not bring more text
    for check in found:
        recipe = result.recipe.model_copy(update={"padding": check.padding})
        classifier.layout = plain_layout(recipe)
        length = check.tokens_per_row or CONTEXT
        rows = pad(texts, length, tokenizer.pad_id, classifier.layout.side)
        with torch.no_grad():
            predicted = classifier(rows).argmax(dim=1).numpy()
        assert check.n_flipped == (predicted != result.test.predicted).sum()
        assert check.accuracy == pytest.approx((predicted == DATA.test.labels).mean())


def test_padding_that_is_seen_flips_and_padding_that_is_not_does_not() -> None:
    assert any(check.n_flipped for check in fitted(position="last")[1])
    _, found = fitted(position="last_real")
    unseen = [check for check in found if check.padding != "left"]
    assert len(unseen) == 2
    assert [check.n_flipped for check in unseen] == [0, 0]


@pytest.mark.parametrize("position", ["last", "mean", "last_real"])
def test_both_engines_find_the_same(position: str) -> None:
    assert fitted("plain", position=position)[1] == fitted("fast", position=position)[1]


def test_what_pads_nothing_or_trains_no_network_has_none() -> None:
    assert fitted(train="features")[1] == []
    assert fitted(model="tfidf")[1] == []


def test_what_cannot_change_an_answer_is_not_predicted_and_texts_are_not_tokenised_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predicted: list[Rows] = []

    def counting(classifier: Classifier, rows: Rows, labels: np.ndarray) -> Evaluation:
        predicted.append(rows)
        return evaluate(classifier, rows, labels)

    cases = [  # and how many of the three other paddings may change the answer
        ({"position": "last_real"}, 1),  # the left side
        ({"position": "last"}, 3),
        ({"padding": "none", "position": "last_real"}, 1),
    ]
    for changes, n in cases:
        result, found = fitted(**changes)
        predicted.clear()
        with monkeypatch.context() as patch:
            patch.setattr(TiktokenTokenizer, "encode_batch", lambda *_: pytest.fail("it tokenises again"))
            patch.setattr(padding, "evaluate", counting)
            assert other_paddings(result, DATA.test.labels, Engine("fast")) == found
        assert (len(found), len(predicted)) == (3, n)


def test_texts_without_padding_stay_cut_at_the_context() -> None:
    result, found = fitted("plain", padding="none", position="last_real", context=3)
    assert result.inputs is not None
    assert result.inputs.n_truncated > 0
    assert [(c.padding, c.tokens_per_row) for c in found] == [("right", 3), ("left", 3), ("right", 6)]
    assert [c.n_flipped for c in found if c.padding == "right"] == [0, 0]


def test_states_that_another_run_has_left_are_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs on rows that are padded on the left leave those of all texts; so do the checks of earlier runs."""
    made: list[object] = []
    counts, engine = [], Engine("fast")
    values = {"model": "toy", "weights": "random", "epochs": 1, "train": "last_block", "position": "last"}
    for side in ("left", "right", "right"):
        result = fit(Recipe(**values, padding=side), DATA, 0, engine, "cpu")
        made.clear()
        with monkeypatch.context() as patch:
            patch.setattr(trunk_cache, "compute_trunk", lambda *a: made.append(a) or compute_trunk(*a))
            other_paddings(result, DATA.test.labels, engine)
        counts.append(len(made))
    assert counts == [3, 1, 0]  # right, twice as long and none; twice as long on the right
