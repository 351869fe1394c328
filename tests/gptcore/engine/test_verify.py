"""Verification passes what is right and stops what is wrong: other weights, a wrong trunk, NaN."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from gptcore.backbones.gpt import GPT
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.engine.trunk import compute_trunk
from gptcore.engine.verify import SAMPLE_ROWS, SAMPLE_STEPS, Agreement, DisagreementError, verify_sample
from gptcore.recipe import Recipe
from gptcore.training.build import build_classifier
from gptcore.training.loop import Labelled

DEPTH = 2  # blocks below the last of the toy's three


@pytest.fixture
def case(toy_gpt: Callable[..., GPT], toy_labelled: Callable[..., Labelled]) -> Callable[..., tuple]:
    """Fast classifier and its rows, the plain one and its rows: what `verify_sample` takes."""

    def make(recipe: Recipe, precision: str = "float32") -> tuple[Classifier, Labelled, Classifier, Labelled]:
        data = toy_labelled(20)
        fast, plain = (
            build_classifier(toy_gpt(), 2, recipe, engine, 0)
            for engine in (Engine("fast", precision), Engine("plain"))
        )
        rows = data.rows
        if recipe.train == "last_block":
            rows = compute_trunk(fast, data.rows, DEPTH).rows
        return fast, Labelled(rows, data.labels), plain, data

    return make


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(train="last_block", position="last_real"),
        Recipe(train="all", position="mean"),
        Recipe(train="lora", lora_rank=2, lora_dropout=0.3),
        Recipe(train="last_block", batch_size=2, accumulation=3),
    ],
    ids=lambda recipe: f"{recipe.train}-{recipe.position}",
)
def test_what_agrees_passes(case: Callable[..., tuple], recipe: Recipe, precision: str) -> None:
    fast, rows, plain, tokens = case(recipe, precision)
    before = {name: p.clone() for name, p in fast.state_dict().items()}
    found = verify_sample(fast, rows, plain, tokens, recipe)
    assert isinstance(found, Agreement)
    assert (found.n_rows, found.n_steps) == (
        max(SAMPLE_ROWS, SAMPLE_STEPS * recipe.batch_size * recipe.accumulation),
        SAMPLE_STEPS,
    )
    assert found.logits < (1e-5 if precision == "float32" else 5e-2)
    assert all(torch.equal(p, before[name]) for name, p in fast.state_dict().items())


def test_a_wrong_trunk_is_found(case: Callable[..., tuple]) -> None:
    recipe = Recipe(train="last_block", position="last_real")
    fast, rows, plain, tokens = case(recipe)
    states = rows.rows.values.clone()
    states[3] = states[4]  # one row of twenty is another text's
    wrong = Labelled(replace(rows.rows, values=states), rows.labels)
    with pytest.raises(
        DisagreementError, match=r"logits differ .* 0\.0001 is allowed in float32 \(16 training rows\)"
    ):
        verify_sample(fast, wrong, plain, tokens, recipe)


def test_other_weights_are_found(case: Callable[..., tuple]) -> None:
    recipe = Recipe(train="all")
    fast, rows, plain, tokens = case(recipe)
    with torch.no_grad():
        plain.backbone.h[0].mlp.c_fc.weight[0] += 0.1
    with pytest.raises(DisagreementError, match="logits"):
        verify_sample(fast, rows, plain, tokens, recipe)


def test_steps_that_differ_are_found(case: Callable[..., tuple]) -> None:
    """The logits before the first step agree: only training shows that a part is frozen by mistake."""
    recipe = Recipe(train="all", lr=1e-2)
    fast, rows, plain, tokens = case(recipe)
    fast.backbone.h[2].requires_grad_(False)
    with pytest.raises(DisagreementError, match="losses"):
        verify_sample(fast, rows, plain, tokens, recipe)


def test_nan_is_no_agreement(case: Callable[..., tuple]) -> None:
    recipe = Recipe(train="features", position="last_real")
    fast, rows, plain, tokens = case(recipe)
    with torch.no_grad():
        fast.head.weight[0, 0] = float("nan")
    with pytest.raises(DisagreementError, match="nan"):
        verify_sample(fast, rows, plain, tokens, recipe)
