"""Methods as values: how they are spelled, how deep they reach, what they leave in a backbone."""

from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from gptcore.backbones.base import Backbone
from gptcore.methods.adapter import Adapter
from gptcore.methods.base import Method
from gptcore.methods.existing import BitFit, LnTuning
from gptcore.methods.layers import All, Features, TopBlocks
from gptcore.methods.lora import Lora
from gptcore.methods.lora_layers import LoRALinear
from gptcore.methods.prefix import Prefix
from gptcore.methods.prompts import Prompt, PTuning
from gptcore.methods.spelling import METHODS, parse_method
from gptcore.methods.wrapped import AdaLora, Boft, Dora, Ia3, Oft, Pissa, Vera
from gptcore.recipe import Recipe
from gptcore.training.costs import count
from gptcore.training.loop import train
from gptcore.training.timing import Phases

EXAMPLES: list[Method] = [
    *(TopBlocks(k=0), TopBlocks(k=3), All(), Features(), Lora(rank=2, targets=("c_fc",))),
    *(
        Lora(rank=2, top=2),
        Lora(bias="all", scaling="alpha/sqrt(rank)"),
        Dora(rank=2, top=2),
        Pissa(rank=2),
        Vera(rank=4),
        Ia3(feedforward=("mlp.c_proj",)),
        AdaLora(rank=3, mean_rank=2),
    ),
    *(
        Oft(block_size=4, targets=("c_fc",)),
        Boft(block_size=2, factors=1),
        Prompt(n=3),
        PTuning(n=3, hidden=5),
        Prefix(n=3, top=2),
        LnTuning(top=1),
        BitFit(),
    ),
]


def test_every_kind_has_an_example() -> None:
    assert {method.kind for method in EXAMPLES} == set(METHODS)


@pytest.mark.parametrize("method", EXAMPLES, ids=lambda method: method.slug)
def test_a_method_is_its_table(method: Method) -> None:
    assert parse_method(method.table()) == method
    recipe = Recipe(train=method.table())
    assert recipe.method == method
    assert recipe == Recipe.model_validate_json(recipe.model_dump_json())
    assert Recipe().with_method(method).id == recipe.id


@pytest.mark.parametrize("method", EXAMPLES, ids=lambda method: method.slug)
def test_what_costs_the_same_is_counted_the_same(toy_config, method: Method) -> None:
    same = method.same_cost()
    assert same.same_cost() == same
    assert count(toy_config(), same) == count(toy_config(), method)


@pytest.mark.parametrize("method", EXAMPLES, ids=lambda method: method.slug)
def test_what_is_frozen_has_nothing_that_learns(toy_gpt, method: Method) -> None:
    """Lower blocks and the embedding compute what they did; the lowest one above them learns."""
    for n_layer in (1, 3, 5):
        backbone = toy_gpt(n_layer=n_layer)
        method.attach(backbone, torch.Generator())
        frozen = method.frozen_below(n_layer)
        below = [backbone.embedding, *backbone.blocks[:frozen]]
        learns = [any(p.requires_grad for p in part.parameters()) for part in below]
        assert learns == [method.trains_embedding or method.n_prompt > 0, *[False] * frozen]
        if method.n_prompt:
            assert frozen == 0
        elif frozen < n_layer:
            assert any(p.requires_grad for p in backbone.blocks[frozen].parameters())
        else:
            assert not any(p.requires_grad for p in backbone.parameters())


def test_upper_blocks_are_counted_from_the_top() -> None:
    reach = [method.upper_blocks for method in EXAMPLES]
    assert reach == [0, 3, None, 0, None, 2, None, 2, *[None] * 8, 2, 1, None]


def test_merging_an_adapter_leaves_plain_layers(toy_gpt) -> None:
    backbone = toy_gpt()
    adapter = Lora(rank=2).attach(backbone, torch.Generator())
    assert any(isinstance(m, LoRALinear) for m in backbone.modules())
    adapter.merge()
    assert not any(isinstance(m, LoRALinear) for m in backbone.modules())
    assert TopBlocks(k=1).attach(backbone, torch.Generator()).merge() is None


class Pulled(Adapter):
    """Pulls a scalar of its own towards 3, and remembers its steps."""

    def __init__(self) -> None:
        super().__init__()
        self.scalar = nn.Parameter(torch.zeros(()))
        self.steps: list[tuple[int, int]] = []

    def extra_loss(self) -> Tensor:
        return (self.scalar - 3).square()

    def after_step(self, step: int, n_steps: int) -> None:
        self.steps.append((step, n_steps))


class Pull(Method):
    kind: ClassVar[str] = "pull"

    def frozen_below(self, n_blocks: int) -> int:
        return n_blocks

    def attach(self, backbone: Backbone, generator: torch.Generator) -> Adapter:
        del generator
        backbone.requires_grad_(False)
        return Pulled()


@pytest.mark.parametrize("accumulation", [1, 2])
def test_an_adapter_adds_to_the_loss_and_is_told_of_every_step(toy_classifier, toy_labelled, accumulation):
    recipe = Recipe(lr=0.1, weight_decay=0.0, epochs=2, batch_size=4, accumulation=accumulation)
    classifier = toy_classifier(recipe)
    classifier.attach(Pull(), torch.Generator())
    data = toy_labelled(16)
    found = train(classifier, recipe, data, data, 0, Phases(torch.device("cpu")))
    n_steps = 8 // accumulation
    assert classifier.adapter.steps == [(i, n_steps) for i in range(1, n_steps + 1)]
    assert len(found.losses) == n_steps
    # AdamW's first steps are of about lr each, whatever the size of the gradient
    assert classifier.adapter.scalar.item() == pytest.approx(0.1 * n_steps, rel=0.05)
