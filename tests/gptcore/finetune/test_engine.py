"""The fast engine gives the plain one's numbers: every row of the study, and recipes that chance makes up.

Texts are numbers, so that a test says exactly which tokens a model sees.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.study.matrix import load_matrix
from bench.study.resolve import resolve
from gptcore.data.datasets import Dataset, Split
from gptcore.finetune import engine as engine_module
from gptcore.finetune import fit as fit_module
from gptcore.finetune import inputs as inputs_module
from gptcore.finetune.classical import LogisticFit
from gptcore.finetune.engine import Engine, probe_precision
from gptcore.finetune.evaluate import evaluate
from gptcore.finetune.fit import FitResult, build_classifier, build_gpt, fit
from gptcore.finetune.inputs import prepare_inputs
from gptcore.finetune.recipe import Position, Recipe, Train
from gptcore.models.config import REGISTRY, ModelConfig, ModelEntry
from gptcore.models.gpt import GPT

TOY = {"d_model": 16, "n_layer": 3, "n_head": 2, "context": 24, "vocab_size": 31}
SIZES = {"mini": TOY, "micro": TOY | {"d_model": 12}, "nano": TOY | {"d_model": 8}}
PAD = 30
STUDY = resolve(load_matrix("full"), "embedded", {"epochs": 3})
ROWS = [row for row in STUDY.rows if row.excluded is None]


class Numbers:
    """A tokenizer of texts such as "3 14 15"."""

    name, pad_id = "numbers", PAD

    def encode_batch(self, texts: tuple[str, ...]) -> list[list[int]]:
        return [[int(word) for word in text.split()] for text in texts]


@pytest.fixture(scope="module", autouse=True)
def toy_models(toy_gpt: Callable[..., GPT]) -> Iterator[None]:
    """The registry's embedded models at toy size, with weights, and a tokenizer of numbers."""

    def load_toy(name: str) -> GPT:
        return toy_gpt(seed=list(SIZES).index(name), **SIZES[name])

    with pytest.MonkeyPatch.context() as patch:
        for name, shape in SIZES.items():
            config = ModelConfig.model_validate(shape)
            patch.setitem(REGISTRY, name, ModelEntry(config=config, source="bundled", about="a toy"))
        patch.setattr(fit_module, "load_gpt", load_toy)
        patch.setattr(inputs_module, "load_tokenizer", lambda _name: Numbers())
        yield


@pytest.fixture
def float64() -> Iterator[None]:
    """Weights, states and losses in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def make_texts(lengths: list[int], seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(str(rng.randrange(PAD + 1)) for _ in range(length)) for length in lengths]


def make_data(train: list[str], validation: list[str], test: list[str]) -> Dataset:
    splits = [Split(tuple(texts), np.arange(len(texts)) % 2) for texts in (train, validation, test)]
    return Dataset("toy", *splits, ("ham", "spam"), "", "", split_seed=0, duplicates=0)


# one token, the whole context, too long for it, and everything between; some texts stand several times
TRAIN = make_texts([1, 24, 40, 2, 7, 5, 12, 9, 3, 1, 17, 6, 4, 11, 8, 2, 13])
DATA = make_data(
    [*TRAIN, TRAIN[0], TRAIN[2], TRAIN[4]],
    [*make_texts([1, 30, 4, 9], seed=1), TRAIN[1]],
    [*make_texts([2, 15, 1, 26, 6], seed=2), TRAIN[3], TRAIN[3]],
)


def weights_of(result: FitResult) -> dict[str, Any]:
    if isinstance(result.classifier, LogisticFit):
        model = result.classifier.pipeline[-1]
        return {"coefficients": model.coef_, "intercepts": model.intercept_}
    return {name: tensor.numpy() for name, tensor in result.classifier.state_dict().items()}


def assert_equal(plain: FitResult, fast: FitResult, rtol: float, weights_atol: float) -> None:
    for split in ("train", "validation", "test"):
        expected, found = getattr(plain, split), getattr(fast, split)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, rtol=rtol, err_msg=split)
    np.testing.assert_allclose(fast.losses, plain.losses, rtol=rtol, err_msg="losses")
    assert [epoch.train_accuracy for epoch in fast.epochs] == [e.train_accuracy for e in plain.epochs]
    assert fast.best_epoch == plain.best_epoch
    expected_weights, found_weights = weights_of(plain), weights_of(fast)
    assert list(found_weights) == list(expected_weights)
    for name, weight in expected_weights.items():
        np.testing.assert_allclose(
            found_weights[name], weight, rtol=rtol, atol=weights_atol, err_msg=name, verbose=True
        )


# --- every row of the study ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared_engine() -> Engine:
    """One engine for all rows, as in a study, so that a wrongly shared trunk shows."""
    return Engine("fast")


def test_the_study_has_its_rows() -> None:
    assert len({row.recipe.id for row in ROWS}) >= 20


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_of_the_study_float32(row: Any, shared_engine: Engine) -> None:
    plain = fit(row.recipe, DATA, 0, Engine("plain"), "cpu")
    fast = fit(row.recipe, DATA, 0, shared_engine, "cpu")
    assert_equal(plain, fast, rtol=1e-5, weights_atol=1e-2 * row.recipe.lr)
