"""Formulas of parameters and operations against real modules and worked figures."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gptcore.backbones.config import REGISTRY, ModelConfig
from gptcore.backbones.gpt import GPT
from gptcore.data.rows import Rows
from gptcore.engine.attention import RowAttention
from gptcore.methods.base import Method
from gptcore.methods.lora import Lora
from gptcore.methods.lora_layers import inject_lora
from gptcore.methods.spelling import Train
from gptcore.methods.wrapped import Boft, Dora, Vera
from gptcore.recipe import Recipe
from gptcore.training import costs
from gptcore.training.costs import estimate_flops, estimate_memory, n_trained_params

TOY = ModelConfig(d_model=8, n_layer=3, n_head=2, context=16, vocab_size=11)


@pytest.mark.parametrize("tie_output", [True, False])
@pytest.mark.parametrize("train", ["last_layer", "last_block", "last_two_blocks", "all", "features"])
def test_trained_params_are_those_of_the_modules(train: Train, tie_output: bool) -> None:
    gpt = GPT(TOY.model_copy(update={"tie_output": tie_output}))
    learning: list[torch.nn.Module] = [torch.nn.Linear(8, 3)]  # the head
    learning += {
        "last_block": [gpt.ln_f, gpt.h[2]],
        "last_two_blocks": [gpt.ln_f, gpt.h[1], gpt.h[2]],
        "all": [gpt.wte, gpt.wpe, *gpt.h, gpt.ln_f],  # the classifier drops the output layer
    }.get(train, [])
    expected = sum(p.numel() for module in learning for p in module.parameters())
    assert n_trained_params(gpt.config, Recipe(train=train), 3) == expected


@pytest.mark.parametrize("n_inner", [None, 5])
@pytest.mark.parametrize("targets", [("c_attn", "c_proj", "c_fc"), ("attn.c_proj",), ("c_fc", "mlp.c_fc")])
def test_lora_params_are_those_that_are_injected(targets: tuple[str, ...], n_inner: int | None) -> None:
    shape = TOY.model_copy(update={"n_inner": n_inner})
    gpt = GPT(shape)
    gpt.requires_grad_(False)
    inject_lora(
        gpt.blocks, rank=4, alpha=1, dropout=0, targets=targets, scaling="alpha", generator=torch.Generator()
    )
    injected = sum(p.numel() for p in gpt.parameters() if p.requires_grad)
    recipe = Recipe(train="lora", lora_rank=4, lora_targets=targets)
    assert n_trained_params(shape, recipe, 2) == injected + 2 * 9


@pytest.mark.parametrize("n_inner", [None, 1, 50])
def test_the_width_of_the_mlp_counts(n_inner: int | None) -> None:
    shape = TOY.model_copy(update={"n_inner": n_inner})
    gpt = GPT(shape)
    assert sum(p.numel() for p in gpt.parameters()) == shape.n_params
    assert sum(p.numel() for p in gpt.h[0].parameters()) == shape.n_block_params
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        gpt.run(
            Rows(torch.zeros(1, 4, 8), torch.tensor([4]), depth=0),
            RowAttention(causal=False),
            stop=TOY.n_layer,
        )
    attention = 3 * 4 * 4 * 4 * 8  # which the counter does not see on a CPU
    assert counter.get_total_flops() + attention == estimate_flops(shape, Recipe(), 0, 1, 4)
    backward = estimate_memory(shape, Recipe(train="all", batch_size=100), 4, 2)
    wider = shape.model_copy(update={"n_inner": shape.d_mlp + 1})
    more = estimate_memory(wider, Recipe(train="all", batch_size=100), 4, 2) - backward
    n_more_params = 3 * (2 * 8 + 1)  # a column, a row and a bias of each of three blocks
    assert more == 4 * (
        5 * n_more_params + 3 * 100 * 4 * 2
    )  # weights, copy, 3 for AdamW; two widths kept a block


def test_flops_of_one_token_by_hand() -> None:
    # d = 8, T = 1: a block's products take 24 x 64, its attention 4 x 8.
    products, attention = 24 * 64, 4 * 8
    forward = 3 * (products + attention)
    assert estimate_flops(TOY, Recipe(train="last_layer"), 1, 0, 1) == forward
    assert estimate_flops(TOY, Recipe(train="all"), 0, 5, 1) == 5 * forward
    assert estimate_flops(TOY, Recipe(train="all"), 2, 0, 1) == 2 * 3 * forward
    assert estimate_flops(TOY, Recipe(train="last_block"), 1, 0, 1) == forward + 2 * (products + attention)
    assert estimate_flops(TOY, Recipe(model="tfidf"), 9, 9, 9) == 0


def test_flops_grow_linearly_with_rows_and_faster_with_length() -> None:
    recipe = Recipe(train="lora")
    one = estimate_flops(TOY, recipe, 10, 5, 8)
    assert estimate_flops(TOY, recipe, 20, 10, 8) == pytest.approx(2 * one)
    assert 2 * one < estimate_flops(TOY, recipe, 10, 5, 16) < 4 * one


def test_training_gpt2_costs_about_six_operations_a_parameter_and_token() -> None:
    config = REGISTRY["gpt2"].config
    blocks = config.n_layer * config.n_block_params
    assert estimate_flops(config, Recipe(train="all"), 1, 0, 120) / (6 * blocks * 120) == pytest.approx(
        1, rel=0.03
    )


def test_memory_of_gpt2_is_near_what_was_measured() -> None:
    # Resident peak of three steps (batch 8, 120 tokens) and one prediction of 32 rows with random weights in the
    # plain loop, less the 0.4 GiB of the process before any model; 2 cores, torch 2.13.
    config = REGISTRY["gpt2"].config
    for train, gib in (("last_block", 0.68), ("all", 2.46)):
        recipe = Recipe(train=train, weights="random")
        assert estimate_memory(config, recipe, 120, 2) == pytest.approx(gib * 2**30, rel=0.15), train


def test_memory_grows_with_what_learns_batch_and_length() -> None:
    config = REGISTRY["gpt2-xl"].config
    block, everything = Recipe(train="last_block"), Recipe(train="all")
    assert estimate_memory(config, block, 120, 2) < estimate_memory(config, everything, 120, 2)
    assert estimate_memory(config, everything, 120, 2) < estimate_memory(config, everything, 1024, 2)
    big = everything.model_copy(update={"batch_size": 64})
    assert estimate_memory(config, everything, 120, 2) < estimate_memory(config, big, 120, 2)
    assert estimate_memory(config, everything, 120, 2) > 16 * config.n_params  # weights, gradients, AdamW
    assert estimate_memory(config, Recipe(model="tfidf"), 120, 2) == 0


def test_only_the_tokens_in_use_learn_and_only_what_learns_is_copied_out_of_the_file() -> None:
    config = REGISTRY["gpt2"].config
    everything = Recipe(train="all", weights="random")
    unused = (config.vocab_size - 9000) * config.d_model
    saved = estimate_memory(config, everything, 120, 2) - estimate_memory(config, everything, 120, 2, 9000)
    assert saved == 12 * unused  # gradient and two moments
    assert estimate_memory(config, everything, 120, 2, 10**6) == estimate_memory(config, everything, 120, 2)
    for train in ("last_block", "all", "lora"):
        recipe = Recipe(train=train)
        copied = 0 if train == "lora" else 4 * (n_trained_params(config, recipe, 2) - 2 * 769)
        random = recipe.model_copy(update={"weights": "random"})
        assert estimate_memory(config, recipe, 120, 2) == estimate_memory(config, random, 120, 2) + copied


def test_a_batch_has_no_more_rows_than_there_are_texts() -> None:
    huge, whole = Recipe(batch_size=1_000_000), Recipe(batch_size=168)
    assert estimate_memory(TOY, huge, 20, 2, n_train=168) == estimate_memory(TOY, whole, 20, 2)
    assert estimate_memory(TOY, whole, 20, 2, n_train=10**6) == estimate_memory(TOY, whole, 20, 2)
    assert estimate_memory(TOY, huge, 20, 2) > estimate_memory(TOY, whole, 20, 2)


def test_a_batch_of_more_rows_than_there_are_is_one_of_all() -> None:
    config = REGISTRY["nano"].config
    huge, whole = (Recipe(model="nano", train="all", batch_size=n) for n in (1_000_000, 118))
    assert estimate_memory(config, huge, 30, 2, 200, n_train=118) == estimate_memory(
        config, whole, 30, 2, 200
    )


@pytest.mark.parametrize(
    "method", [Dora(rank=2), Boft(block_size=2, factors=1), Vera(rank=4), Lora(rank=2)], ids=lambda m: m.kind
)
def test_what_a_method_keeps_for_its_backward_pass_is_counted(
    toy_config, monkeypatch: pytest.MonkeyPatch, method: Method
) -> None:
    """On the CPU, with values, the same tensors are kept."""
    found = costs.saved_beside_formula(toy_config(), method, 3, 7)
    costs.saved_beside_formula.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(costs, "without_weights", lambda config: GPT(config))
        patch.setattr(costs, "DEVICE", "cpu")
        assert costs.saved_beside_formula(toy_config(), method, 3, 7) == found
    costs.saved_beside_formula.cache_clear()
    block = [p for p in GPT(toy_config()).blocks[0].parameters() if p.dim() == 2]
    weights = 4 * sum(p.numel() for p in block)
    assert found < weights if method.kind in ("lora", "vera") else found > weights
    recipe = Recipe(position="last_real").with_method(method)
    alone = estimate_memory(toy_config(), recipe.with_method(Lora(rank=2, top=1)), 7, 2)
    assert estimate_memory(toy_config(), recipe, 7, 2) >= alone
