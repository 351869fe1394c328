"""From recipe and dataset to a result, for every kind of recipe."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

import gptcore
from gptcore.backbones.config import REGISTRY, ModelConfig, ModelEntry
from gptcore.backbones.weights import load_gpt, random_gpt, save_gpt, weights_fingerprint
from gptcore.data.datasets import Dataset, Split
from gptcore.engine.engine import Engine
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Fit
from gptcore.training.build import build_backbone
from gptcore.training.fit import fit
from gptcore.training.network_predictors import FeaturesPredictor, NetworkPredictor
from gptcore.training.predictors import TfidfPredictor

CONFIG = ModelConfig(d_model=8, n_layer=2, n_head=2, context=16, vocab_size=8192, tokenizer="embedded")
WORDS = [["win", "prize", "now", "free", "call"], ["see", "you", "at", "home", "now"]]


def make_split(n: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    texts = tuple(" ".join(rng.choice(WORDS[label], size=rng.integers(2, 7))) for label in labels)
    return Split(texts, labels)


DATA = Dataset(
    *("toy", make_split(32, 0), make_split(8, 1), make_split(12, 2), ("spam", "ham"), "", ""),
    split_seed=0,
    duplicates=0,
)


@pytest.fixture(scope="module", autouse=True)
def toy_entry() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(REGISTRY, "toy", ModelEntry(config=CONFIG, source="bundled", about="a toy"))
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("checkpoint")
    save_gpt(random_gpt(CONFIG, seed=7), folder)
    return str(folder)


def recipe_of(**choices: object) -> Recipe:
    values = {"model": "toy", "weights": "random", "epochs": 2, "lr": 1e-2, "position": "last_real"}
    return Recipe(**values | choices)


def fit_toy(seed: int | Seeds = 0, engine: str = "plain", **choices: object) -> Fit:
    return fit(recipe_of(**choices), DATA, seed, Engine(engine), "cpu")


@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("train", ["last_layer", "last_block", "all", "lora"])
def test_a_network_is_fitted_and_measured(train, engine):
    result = fit_toy(engine=engine, train=train, lora_rank=2)
    assert isinstance(result.classifier.predictor, NetworkPredictor)
    assert len(result.losses) == 2 * 4
    assert all(math.isfinite(loss) for loss in result.losses)
    assert [epoch.step for epoch in result.epochs] == [4, 8]
    for name, split in (("train", DATA.train), ("validation", DATA.validation), ("test", DATA.test)):
        found = getattr(result, name)
        assert found.labels.tolist() == split.labels.tolist()
        assert found.probabilities.shape == (len(split), 2)
    assert result.validation.log_loss == pytest.approx(result.epochs[-1].validation_loss)
    parameters = list(result.classifier.predictor.network.parameters())
    assert result.n_total == sum(p.numel() for p in parameters)
    assert result.n_trained == sum(p.numel() for p in parameters if p.requires_grad)
    assert {"load", "tokenise", "train", "evaluate", "other"} <= result.phases.keys()
    assert all(seconds >= 0 for seconds in result.phases.values())
    assert result.process_mem_bytes > 10**7
    assert result.positions_processed is not None
    assert result.positions_processed > 0
    assert result.inputs is not None
    assert result.weights_source == "random"
    assert result.weights_fingerprint == weights_fingerprint(random_gpt(CONFIG, seed=0))
    assert result.recipe == recipe_of(train=train, lora_rank=2)


@pytest.mark.parametrize("engine", ["plain", "fast"])
def test_features_leave_the_model_alone(engine):
    result = fit_toy(engine=engine, train="features")
    assert isinstance(result.classifier.predictor, FeaturesPredictor)
    assert result.n_trained == 8 + 1
    assert result.n_total == CONFIG.n_params + 9
    assert (result.losses, result.epochs, result.best_epoch) == ([], [], None)
    assert result.phases["trunk"] > 0
    assert result.test.probabilities.shape == (12, 2)


def test_tfidf_needs_no_model():
    result = fit(Recipe(model="tfidf"), DATA)
    assert isinstance(result.classifier.predictor, TfidfPredictor)
    assert result.n_total == result.n_trained == result.classifier.predictor.logistic.n_params
    assert result.inputs is result.positions_processed is result.weights_source is None
    assert result.test.accuracy == 1.0  # most words are of one class


def test_pretrained_weights_come_from_a_folder(checkpoint):
    result = fit_toy(model=checkpoint, weights="pretrained", train="last_layer")
    assert result.weights_source == checkpoint
    assert result.weights_fingerprint == weights_fingerprint(load_gpt(checkpoint))
    random = fit_toy(model=checkpoint, train="last_layer")  # the folder's shape, other weights
    assert random.weights_fingerprint == weights_fingerprint(random_gpt(CONFIG, seed=0))


def test_weights_that_are_not_there_are_an_error():
    with pytest.raises(UserError, match="'toy': no pretrained weights"):
        fit_toy(weights="pretrained")
    with pytest.raises(UserError, match="neither a known name"):
        build_backbone(Recipe(model="no-such-model"), 0)
    with pytest.raises(UserError, match="context = 17: toy takes at most 16"):
        fit_toy(context=17)


@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("train", ["last_block", "lora", "features"])
def test_the_same_seeds_give_the_same_bits(train, engine):
    first = fit_toy(engine=engine, train=train)
    torch.manual_seed(99)
    second = fit_toy(engine=engine, train=train)
    assert first.losses == second.losses
    for name in ("train", "validation", "test"):
        assert np.array_equal(getattr(first, name).probabilities, getattr(second, name).probabilities)


def test_seeds_decide_head_weights_and_order(checkpoint):
    common = {"model": checkpoint, "weights": "pretrained"}
    base = fit_toy(Seeds(init=0, order=0), **common)
    assert (
        base.losses
        == fit_toy(0, **common).losses
        == fit_toy(Seeds(init=0, order=0, split=9), **common).losses
    )
    assert base.losses != fit_toy(Seeds(init=1, order=0), **common).losses
    assert base.losses != fit_toy(Seeds(init=0, order=1), **common).losses
    other_weights = fit_toy(Seeds(init=1, order=0))
    assert other_weights.weights_fingerprint != fit_toy(Seeds(init=0, order=0)).weights_fingerprint


def test_epochs_are_told_as_they_end():
    seen = []
    result = fit(recipe_of(), DATA, 0, Engine("plain"), "cpu", seen.append)
    assert seen == result.epochs


def test_the_public_face():
    assert set(gptcore.__all__) == {
        *("Dataset", "Engine", "Fit", "GPT", "Recipe", "Seeds", "TextClassifier", "fit", "load_dataset"),
    }
    result = gptcore.fit(gptcore.Recipe(**recipe_of().model_dump()), DATA, seed=0)
    assert isinstance(result, gptcore.Fit)
    assert result.test.accuracy > 0.5
    with pytest.raises(AttributeError, match="no attribute 'finetune_all'"):
        gptcore.finetune_all  # noqa: B018


def test_a_file_that_is_not_loaded_is_refused_with_what_to_do() -> None:
    with pytest.raises(UserError, match=r"data is a str: pass load_dataset"):
        fit(recipe_of(), "texts.csv")  # type: ignore[arg-type]
