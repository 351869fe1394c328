"""The small embedding gives the whole one's training, and the whole table comes back."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch

from gptcore.backbones.gpt import GPT
from gptcore.data.rows import Rows
from gptcore.engine.embedding import UsedEmbedding
from gptcore.engine.engine import Engine
from gptcore.recipe import Recipe
from gptcore.training.build import build_classifier
from gptcore.training.loop import Labelled, total_decay, train
from gptcore.training.timing import Phases
from tests.gptcore.conftest import in_float64

VOCABULARY = 50  # of which the texts use less than half
N_ROWS, CPU = 12, torch.device("cpu")


def make_rows(seed: int) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(3, 20, (N_ROWS, 6), generator=generator)
    return Rows(tokens, torch.full((N_ROWS,), 6), "right")


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"schedule": "cosine", "warmup": 0.4},
        {"restore_best": True, "lr": 0.02},  # the labels are noise: it can only overfit
        {"accumulation": 2, "clip_norm": 0.1},
        {"weight_decay": 0.0},
    ],
    ids=str,
)
def test_training_the_used_rows_is_training_the_table(
    toy_gpt: Callable[..., GPT], choices: dict[str, object]
) -> None:
    recipe = Recipe.model_validate(
        {"model": "nano", "train": "all", "lr": 1e-2, "epochs": 4, "batch_size": 4} | choices
    )
    labels = np.arange(N_ROWS) % 2
    rows = [make_rows(0), make_rows(1)]
    with in_float64():
        whole = build_classifier(toy_gpt(vocab_size=VOCABULARY).double(), 2, recipe, Engine("plain"), 0)
        small = copy.deepcopy(whole)
        expected = train(whole, recipe, *(Labelled(part, labels) for part in rows), 0, Phases(CPU))
        used = UsedEmbedding(small, rows)
        assert small.backbone.embedding.weight.shape[0] < VOCABULARY / 2
        found = train(small, recipe, *(Labelled(part, labels) for part in used.rows), 0, Phases(CPU))
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-9)
    assert found.best_epoch == expected.best_epoch
    assert found.best_epoch != recipe.epochs  # the case of restore_best is one
    n_done = found.epochs[(found.best_epoch or 0) - 1].step
    used.restore(total_decay(recipe, N_ROWS, n_done))
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(small.state_dict()[name], weight, rtol=1e-9, atol=1e-8)


def test_total_decay_multiplies_the_steps() -> None:
    recipe = Recipe(lr=0.1, weight_decay=0.5, epochs=2, batch_size=4)
    assert total_decay(recipe, n_rows=9, n_done=3) == pytest.approx((1 - 0.05) ** 3)
    assert total_decay(recipe, n_rows=9, n_done=0) == 1.0
