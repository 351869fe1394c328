"""LoRA layers: what they compute, what stays frozen, merging, and adapters on disk."""

import pytest
import torch
import torch.nn.functional as F

from gptcore.backbones.gpt import GPT
from gptcore.errors import UserError
from gptcore.methods.lora_layers import inject_lora, lora_layers, merge_lora
from gptcore.methods.targets import is_target
from gptcore.recipe import Recipe

TARGETS = ("c_attn", "c_proj", "c_fc")
TOKENS = torch.randint(31, (4, 9), generator=torch.Generator().manual_seed(1))


def inject(gpt: GPT, seed: int = 0, **changes: object) -> GPT:
    values = {"rank": 4, "alpha": 6.0, "dropout": 0.0, "targets": TARGETS, "scaling": "alpha/rank"}
    inject_lora(gpt.blocks, **values | changes, generator=torch.Generator().manual_seed(seed))
    return gpt


def randomised(gpt: GPT) -> GPT:
    """The same with A and B away from zero, as after training."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for layer in lora_layers(gpt).values():
            layer.lora_A.normal_(0.0, 0.3, generator=generator)
            layer.lora_B.normal_(0.0, 0.3, generator=generator)
    return gpt


@pytest.mark.parametrize(("scaling", "scale"), [("alpha/rank", 1.5), ("alpha", 6.0)])
@torch.no_grad()
def test_a_layer_computes_the_papers_formula(toy_gpt, scaling, scale):
    layer = randomised(inject(toy_gpt(), scaling=scaling)).h[1].mlp.c_fc
    x = torch.randn(5, 16, generator=torch.Generator().manual_seed(2))
    weight = layer.linear.weight + scale * (layer.lora_B @ layer.lora_A)
    torch.testing.assert_close(layer(x), x @ weight.T + layer.linear.bias)
    assert layer.scale == scale


@torch.no_grad()
def test_a_fresh_adapter_changes_nothing(toy_gpt):
    gpt = toy_gpt()
    before = gpt(TOKENS)
    assert torch.equal(inject(gpt)(TOKENS), before)


def test_targets_choose_the_layers(toy_gpt):
    assert set(lora_layers(inject(toy_gpt()))) == {
        f"h.{i}.{layer}"
        for i in range(3)
        for layer in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    }
    some = lora_layers(inject(toy_gpt(), targets=("attn.c_proj", "c_fc")))
    assert set(some) == {f"h.{i}.{layer}" for i in range(3) for layer in ("attn.c_proj", "mlp.c_fc")}
    n = sum(layer.lora_A.numel() + layer.lora_B.numel() for layer in some.values())
    assert n == 3 * 4 * ((16 + 16) + (16 + 64))


def test_a_part_of_a_block_is_named_on_a_gpt_as_its_layers_are() -> None:
    layers = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    for part, said in (("attention", ("c_attn", "attn.c_proj")), ("mlp", ("c_fc", "mlp.c_proj"))):
        assert [is_target(f"1.{name}", (part,)) for name in layers] == [
            is_target(f"1.{name}", said) for name in layers
        ]
        recipes = [Recipe(train="lora", lora_targets=targets) for targets in ((part,), said)]
        assert recipes[0].id == recipes[1].id
    assert (
        Recipe(train="lora", lora_targets=("mlp",)).id != Recipe(train="lora", lora_targets=("attention",)).id
    )


@pytest.mark.parametrize("targets", [("c_attn", "query"), ("query",), ("ln_1", "c_fc"), ("attn",), ("roj",)])
def test_a_target_that_is_no_layer_is_refused(toy_gpt, targets):
    with pytest.raises(UserError, match=r"lora_targets: (query|ln_1|attn|roj) is not a linear layer"):
        inject(toy_gpt(), targets=targets)


def test_adapters_are_put_in_once(toy_gpt):
    with pytest.raises(UserError, match="is not a linear layer"):
        inject(inject(toy_gpt()))


def test_only_the_adapters_have_gradients(toy_gpt):
    gpt = randomised(inject(toy_gpt()))
    gpt(TOKENS).square().sum().backward()
    for layer in lora_layers(gpt).values():
        assert layer.linear.weight.grad is None
        assert layer.linear.bias.grad is None
        assert layer.lora_A.grad.abs().sum() > 0
        assert layer.lora_B.grad.abs().sum() > 0


def test_adapters_start_from_their_own_generator(toy_gpt):
    models = [toy_gpt() for _ in range(3)]
    state = torch.get_rng_state()
    first, same, other = (
        inject(gpt, seed).h[0].attn.c_attn.lora_A for gpt, seed in zip(models, (1, 1, 2), strict=True)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_dropout_acts_in_training_and_on_the_update_alone(toy_gpt):
    layer = randomised(inject(toy_gpt(), dropout=0.5)).h[0].attn.c_proj
    x = torch.ones(2000, 16)
    torch.manual_seed(0)
    dropped = layer.train()(x) - layer.linear(x)
    whole = layer.eval()(x) - layer.linear(x)
    assert not torch.allclose(dropped, whole)
    torch.testing.assert_close(dropped.mean(dim=0), whole[0], rtol=0.0, atol=0.1)
    assert torch.equal(layer(x), layer(x))
    torch.manual_seed(0)
    by_hand = F.linear(F.linear(F.dropout(x, 0.5), layer.lora_A), layer.lora_B)
    torch.testing.assert_close(dropped, layer.scale * by_hand)


@pytest.mark.parametrize("scaling", ["alpha/rank", "alpha"])
@torch.no_grad()
def test_merging_keeps_the_outputs_and_does_it_once(toy_gpt, scaling):
    base, gpt = toy_gpt(), randomised(inject(toy_gpt(), scaling=scaling))
    before = gpt(TOKENS)
    assert not torch.allclose(before, base(TOKENS), atol=0.1)
    merge_lora(gpt)
    torch.testing.assert_close(gpt(TOKENS), before, rtol=1e-4, atol=1e-4)
    assert not lora_layers(gpt)
    once = {name: tensor.clone() for name, tensor in gpt.state_dict().items()}
    assert once.keys() == base.state_dict().keys()
    merge_lora(gpt)
    assert all(torch.equal(tensor, once[name]) for name, tensor in gpt.state_dict().items())
    assert torch.equal(gpt.h[0].attn.c_attn.bias, base.h[0].attn.c_attn.bias)
