"""A checkpoint's own dropout never acts; what a recipe asks for does, in both engines."""

from typing import Any

import numpy as np
import pytest

from gptcore.backbones.families import FAMILIES
from gptcore.backbones.huggingface import HFBackbone
from gptcore.engine.engine import Engine
from gptcore.engine.layout import EngineName
from gptcore.recipe import Recipe
from gptcore.training import build as build_module
from gptcore.training import tokenizing as tokenizing_module
from gptcore.training.fit import fit
from tests.parity.test_families import DATA, Numbers
from tests.parity.toys import toy_backbone, toy_raw

RATE = 0.5


def rates(family: str) -> dict[str, float]:
    """A family's settings of dropout, all of them high."""
    return {
        name: RATE
        for name, value in toy_raw(family).items()
        if ("dropout" in name or "pdrop" in name or "_drop" in name) and isinstance(value, float)
    }


DROPPING = [family for family in FAMILIES if rates(family)]


def losses(
    backbone: HFBackbone, engine: EngineName, monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> np.ndarray:
    """Of a short training of all layers, or as `changes` say."""
    monkeypatch.setattr(build_module, "build_backbone", lambda _recipe, _seed: (backbone, "toy"))
    monkeypatch.setattr(tokenizing_module, "checkpoint_tokenizer", lambda _name: Numbers())
    values = {"attention": "native", "attend_padding": False, "position": "last_real", "padding": "right"}
    values |= {"epochs": 1, "lr": 1e-3, "batch_size": 4, "train": "all"}
    recipe = Recipe(**{"model": "toy"} | values | changes)
    return np.array(fit(recipe, DATA, 0, Engine(engine), "cpu").losses)


@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("family", DROPPING)
def test_a_checkpoints_own_dropout_never_acts(
    family: str, engine: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm, dropping = toy_backbone(family), toy_backbone(family, **rates(family))
    assert any(getattr(dropping.model.config, name) == RATE for name in rates(family))
    np.testing.assert_array_equal(*(losses(each, engine, monkeypatch) for each in (calm, dropping)))


@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("family", ["llama", "bert"])
def test_a_recipes_dropout_acts(family: str, engine: EngineName, monkeypatch: pytest.MonkeyPatch) -> None:
    lora = {"train": "lora", "lora_rank": 2, "lora_targets": ("all-linear",), "epochs": 3}
    without, with_it = (
        losses(toy_backbone(family), engine, monkeypatch, **lora, lora_dropout=rate) for rate in (0.0, RATE)
    )
    np.testing.assert_allclose(
        with_it[0], without[0], rtol=1e-5
    )  # an update that begins at zero drops nothing
    assert np.abs(with_it - without).max() > 1e-4


def test_the_families_that_drop_are_many() -> None:
    assert {"bert", "distilbert", "deberta-v2", "opt", "gpt2"} <= set(DROPPING)
