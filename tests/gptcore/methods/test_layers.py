"""Which parameters learn: exactly the named ones change, the others not by a bit."""

import pytest
import torch

from gptcore.backbones.weights import load_gpt, save_gpt
from gptcore.engine.engine import Engine
from gptcore.methods.layers import TopBlocks
from gptcore.recipe import Recipe
from gptcore.training.build import build_classifier
from gptcore.training.loop import train
from gptcore.training.timing import Phases


def block(i: int) -> set[str]:
    """A block's parameters, written out."""
    layers = ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")
    return {f"backbone.h.{i}.{layer}.{part}" for layer in layers for part in ("weight", "bias")}


HEAD = {"head.weight", "head.bias"}
NORM = {"backbone.ln_f.weight", "backbone.ln_f.bias"}
EMBEDDINGS = {"backbone.wte.weight", "backbone.wpe.weight"}
ADAPTERS = {
    f"backbone.h.{i}.{layer}.lora_{part}"
    for i in range(3)
    for layer in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    for part in "AB"
}
LEARNS = {
    "last_layer": HEAD,
    "last_block": HEAD | NORM | block(2),
    "last_two_blocks": HEAD | NORM | block(2) | block(1),
    "all": HEAD | NORM | EMBEDDINGS | block(0) | block(1) | block(2),
    "lora": HEAD | ADAPTERS,
    "features": HEAD,
}


@pytest.mark.parametrize("name", LEARNS)
def test_the_marked_parameters_are_the_named_ones(toy_classifier, name):
    classifier = toy_classifier(Recipe(train=name))
    marked = {n for n, p in classifier.named_parameters() if p.requires_grad}
    assert marked == LEARNS[name]
    trained = classifier.trained_parameters()
    assert [id(p) for p in trained] == [id(p) for p in classifier.parameters() if p.requires_grad]


@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("name", sorted(LEARNS.keys() - {"features"}))
def test_a_step_changes_them_and_nothing_else(toy_classifier, toy_labelled, name, engine):
    recipe = Recipe(train=name, lr=1e-2, epochs=1)
    classifier = toy_classifier(recipe, engine)
    before = {n: p.detach().clone() for n, p in classifier.named_parameters()}
    data = toy_labelled(16)
    training = train(classifier, recipe, data, data, 0, Phases(torch.device("cpu")))
    assert len(training.losses) == 2
    after = dict(classifier.named_parameters())
    assert after.keys() == before.keys()
    assert {n for n in before if not torch.equal(after[n], before[n])} == LEARNS[name]


def test_trained_blocks_are_counted_from_the_top():
    depths = {name: Recipe(train=name).method.frozen_below(3) for name in LEARNS}
    assert depths == {
        "last_layer": 3,
        "features": 3,
        "last_block": 2,
        "last_two_blocks": 1,
        "all": 0,
        "lora": 0,
    }


def test_a_model_of_one_block_has_one_to_train(toy_classifier):
    one, two = (toy_classifier(Recipe(train=f"last_{n}"), n_layer=1) for n in ("block", "two_blocks"))
    marked = [{n for n, p in c.named_parameters() if p.requires_grad} for c in (one, two)]
    assert marked[0] == marked[1] == HEAD | NORM | block(0)
    assert Recipe(train="last_two_blocks").method.frozen_below(1) == 0


def test_marks_of_an_earlier_recipe_do_not_stay(toy_classifier):
    classifier = toy_classifier(Recipe(train="all"))
    classifier.attach(TopBlocks(k=1), torch.Generator())
    assert {n for n, p in classifier.named_parameters() if p.requires_grad} == LEARNS["last_block"]


@pytest.mark.parametrize("train", ["last_block", "all", "lora"])
def test_what_learns_is_no_view_of_the_checkpoint(tmp_path, toy_gpt, train):
    save_gpt(toy_gpt(), tmp_path)
    gpt = load_gpt(tmp_path)
    in_file = {p.data_ptr() for p in gpt.parameters()}
    classifier = build_classifier(gpt, 2, Recipe(train=train), Engine("fast"), 0)
    learns = classifier.trained_parameters()
    assert all(p.is_contiguous() for p in learns)
    assert not in_file & {p.data_ptr() for p in learns}
