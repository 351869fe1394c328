"""How long the pieces of a run take, at the shape of `nano` with random weights: `make benchmarks`.

One thread, CPU, float32; a step is forward, backward and AdamW on 8 rows of 64 tokens.
"""

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from gptcore.backbones.config import REGISTRY
from gptcore.backbones.weights import random_gpt
from gptcore.data.rows import Rows, pad
from gptcore.data.tokenizer import load_tokenizer
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.engine.layout import EngineName
from gptcore.engine.trunk import compute_trunk
from gptcore.methods.spelling import Train
from gptcore.recipe import Position, Recipe
from gptcore.training.build import build_classifier
from gptcore.training.evaluate import evaluate
from gptcore.training.loop import Labelled, _Loop

CONFIG = REGISTRY["nano"].config
N_ROWS, WIDTH = 8, 64
ENGINES = pytest.mark.parametrize("engine", ["plain", "fast"])


def build(train: Train, engine: EngineName, position: Position = "last_real") -> tuple[Classifier, Recipe]:
    recipe = Recipe(model="nano", weights="random", train=train, position=position, batch_size=N_ROWS)
    return build_classifier(random_gpt(CONFIG, 0), 2, recipe, Engine(engine), 0), recipe


def make_rows(n: int) -> Rows:
    """Rows of 8 to WIDTH tokens, no two alike."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(8, WIDTH + 1, size=n)
    return pad([rng.integers(CONFIG.vocab_size, size=length).tolist() for length in lengths], WIDTH, 0)


def step_of(classifier: Classifier, recipe: Recipe, data: Labelled) -> Callable[[], float]:
    """One optimiser step: an epoch of data that make a single batch. Gives its loss."""
    loop = _Loop(classifier.train(), recipe, data, order_seed=0)
    return lambda: loop.epoch()[0][0]


@pytest.mark.parametrize("depth", [CONFIG.n_layer - 1, CONFIG.n_layer], ids=["states", "features"])
def test_trunk(benchmark: BenchmarkFixture, depth: int) -> None:
    """The frozen blocks over 128 rows."""
    classifier, _ = build("last_block", "fast")
    rows = make_rows(128)
    trunk = benchmark(compute_trunk, classifier, rows, depth)
    assert len(trunk.rows) == 128


@pytest.mark.parametrize("train", ["last_layer", "last_block", "last_two_blocks"])
def test_tail_step(benchmark: BenchmarkFixture, train: Train) -> None:
    """A step of the trained blocks above a trunk."""
    classifier, recipe = build(train, "fast")
    trunk = compute_trunk(classifier, make_rows(N_ROWS), recipe.method.frozen_below(CONFIG.n_layer))
    loss = benchmark(step_of(classifier, recipe, Labelled(trunk.rows, np.arange(N_ROWS) % 2)))
    assert np.isfinite(loss)


@ENGINES
@pytest.mark.parametrize("train", ["last_block", "lora", "all"])
def test_step(benchmark: BenchmarkFixture, train: Train, engine: EngineName) -> None:
    """A step of a model that reads tokens; `last_block` on the plain engine is what the tail step replaces."""
    classifier, recipe = build(train, engine)
    loss = benchmark(step_of(classifier, recipe, Labelled(make_rows(N_ROWS), np.arange(N_ROWS) % 2)))
    assert np.isfinite(loss)


@ENGINES
def test_evaluation(benchmark: BenchmarkFixture, engine: EngineName) -> None:
    """Predictions for 128 rows of tokens."""
    classifier, _ = build("all", engine)
    found = benchmark(evaluate, classifier, make_rows(128), np.arange(128) % 2)
    assert found.probabilities.shape == (128, 2)


def test_tokenise(benchmark: BenchmarkFixture) -> None:
    """1,000 texts of about 80 characters to padded rows."""
    rng = random.Random(0)
    words = ["see you", "at the station", "tonight", "win", "a free prize", "call now", "ok thanks", "love"]
    texts = [" ".join(rng.choices(words, k=10)) for _ in range(1000)]
    tokenizer = load_tokenizer("embedded")
    rows = benchmark(lambda: pad(tokenizer.encode_batch(texts), WIDTH, tokenizer.pad_id))
    assert len(rows) == 1000
    assert rows.values.dtype == torch.int64
