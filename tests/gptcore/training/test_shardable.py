"""Recipes that several processes may train together, and why others are not."""

from typing import Any

import pytest

from gptcore.backbones.config import REGISTRY
from gptcore.backbones.info import Abilities
from gptcore.methods.layers import All, Features, TopBlocks
from gptcore.methods.lora import Lora
from gptcore.methods.spelling import METHODS, WITH_DEFAULTS
from gptcore.recipe import Recipe
from gptcore.training.shardable import sharding_obstacle

INFO = REGISTRY["nano"].config


def obstacle(**changes: Any) -> str | None:
    return sharding_obstacle(Recipe(model="nano", **changes), INFO)


@pytest.mark.parametrize("train", ["all", "lora", {"method": "lora", "bias": "all"}])
def test_what_was_compared_with_one_process_is_allowed(train: Any) -> None:
    assert obstacle(train=train) is None
    assert obstacle(train=train, restore_best=True, patience=2, class_weight="balanced") is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"train": "last_block"}, "train = last_block: its frozen blocks are computed once"),
        ({"train": "features", "position": "last_real"}, "train = features: its frozen blocks"),
        ({"train": {"method": "lora", "top": 1}}, "train = lora: its frozen blocks"),
        ({"train": "dora"}, "train = dora: only all and lora were compared"),
        ({"train": "adalora"}, "train = adalora: only all and lora were compared"),
        ({"train": "lora", "lora_dropout": 0.1}, "train = lora: its dropout would draw other numbers"),
        ({"model": "tfidf"}, "model = 'tfidf' has no network"),
    ],
)
def test_others_are_refused_by_name(changes: dict[str, Any], says: str) -> None:
    found = sharding_obstacle(Recipe(**({"model": "nano"} | changes)))
    assert found is not None
    assert found.startswith(says)


def test_only_two_methods_say_that_they_can() -> None:
    one_of_each = [All(), TopBlocks(k=1), Features(), Lora(), *WITH_DEFAULTS.values()]
    assert {method.kind for method in one_of_each} == METHODS.keys()
    assert {each.kind for each in one_of_each if each.sharding_obstacle is None} == {"all", "lora"}


def test_a_block_that_serves_as_all_of_them_is_refused() -> None:
    class Shared:
        abilities = Abilities(trunk=False)

    found = sharding_obstacle(Recipe(train="all"), Shared())  # type: ignore[arg-type]
    assert found == "model = 'gpt2': one block serves as all of them"
