"""Toy classifiers and labelled rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from gptcore.backbones.gpt import GPT
from gptcore.data.rows import Side, pad
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.engine.layout import EngineName
from gptcore.recipe import Recipe
from gptcore.training.build import build_classifier
from gptcore.training.loop import Labelled

PAD = 30


def make_toy_labelled(n: int = 40, seed: int = 0, side: Side = "right", width: int = 8) -> Labelled:
    """n rows of 1 to `width` tokens; a row's class is whether its last token is odd."""
    rng = np.random.default_rng(seed)
    sequences = [rng.integers(PAD, size=rng.integers(1, width + 1)).tolist() for _ in range(n)]
    labels = np.array([sequence[-1] % 2 for sequence in sequences])
    return Labelled(pad(sequences, width, PAD, side), labels)


@pytest.fixture(scope="session")
def toy_labelled() -> Callable[..., Labelled]:
    return make_toy_labelled


@pytest.fixture(scope="session")
def toy_classifier(toy_gpt: Callable[..., GPT]) -> Callable[..., Classifier]:
    """A classifier before its first step: the toy GPT with a head of two classes, built by the given recipe."""

    def make(
        recipe: Recipe, engine: EngineName = "plain", n_classes: int = 2, init_seed: int = 0, **shape: object
    ) -> Classifier:
        return build_classifier(toy_gpt(**shape), n_classes, recipe, Engine(engine), init_seed)

    return make


@contextmanager
def in_float64() -> Iterator[None]:
    """Weights, states and losses in float64, where agreement is a matter of the formula and not of rounding.

    In float32 Adam makes whole steps of gradients that are nothing but rounding, such as those of key biases.
    """
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.fixture
def float64() -> Iterator[None]:
    """The whole test `in_float64`."""
    with in_float64():
        yield
