"""Our LoRA against PEFT's on the same weights: outputs, gradients, an optimiser step.

In float64, so that agreement is a matter of the formula and not of rounding.
"""

import peft
import pytest
import torch
from peft import LoraConfig, get_peft_model

from gptcore.backbones.gpt import GPT
from gptcore.backbones.weights import load_gpt
from gptcore.engine.engine import Engine
from gptcore.methods.lora_layers import inject_lora, lora_layers
from gptcore.recipe import Recipe
from gptcore.training.build import build_classifier

# PEFT 0.21 asks transformers 5 by an attribute's old name.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

RANK, ALPHA = 4, 6.0
TARGETS = ["c_attn", "c_proj", "c_fc"]


def peft_config(**changes: object) -> LoraConfig:
    values = {"r": RANK, "lora_alpha": ALPHA, "target_modules": TARGETS, "fan_in_fan_out": True}
    return LoraConfig(**values | changes)


def inject(gpt: GPT, alpha: float = ALPHA, scaling: str = "alpha/rank") -> GPT:
    generator = torch.Generator().manual_seed(0)
    inject_lora(
        gpt.blocks, rank=RANK, alpha=alpha, dropout=0.0, targets=TARGETS, scaling=scaling, generator=generator
    )
    return gpt


def randomise_adapters(gpt: GPT) -> None:
    """B off zero, so that both A and B have gradients."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for layer in lora_layers(gpt).values():
            layer.lora_A.normal_(0.0, 0.3, generator=generator)
            layer.lora_B.normal_(0.0, 0.3, generator=generator)


def their_adapters(model: peft.PeftModel) -> dict[str, torch.nn.Parameter]:
    """Their A and B by our names."""
    named = model.base_model.model.transformer.named_parameters()
    return {name.replace(".default.weight", ""): p for name, p in named if "lora_" in name}


def our_adapters(gpt: GPT) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in gpt.named_parameters() if "lora_" in name}


def copy_adapters(gpt: GPT, model: peft.PeftModel) -> None:
    theirs = their_adapters(model)
    with torch.no_grad():
        for name, parameter in our_adapters(gpt).items():
            theirs[name].copy_(parameter)


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(31, (4, 9), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def base(tmp_path, toy_config, hf_gpt2):
    """Their GPT-2 and ours with the same weights, in float64."""
    theirs = hf_gpt2(toy_config())
    theirs.save_pretrained(tmp_path / "base")
    return theirs.double(), load_gpt(tmp_path / "base").double()


@pytest.fixture
def pair(base):
    """The same with the same random adapters on both."""
    theirs, ours = base
    inject(ours)
    randomise_adapters(ours)
    wrapped = get_peft_model(theirs, peft_config()).double()
    copy_adapters(ours, wrapped)
    return wrapped, ours.double()


def test_outputs_gradients_and_a_step_are_pefts(pair, tokens):
    theirs, ours = pair
    ours.requires_grad_(False)
    for parameter in our_adapters(ours).values():
        parameter.requires_grad_(True)
    assert our_adapters(ours).keys() == their_adapters(theirs).keys()
    for step in range(3):
        logits, expected = ours.lm_logits(tokens), theirs(tokens).logits
        torch.testing.assert_close(logits, expected)
        for model, output in ((ours, logits), (theirs, expected)):
            model.zero_grad()
            output.logsumexp(dim=2).mean().backward()
        for name, parameter in our_adapters(ours).items():
            torch.testing.assert_close(parameter.grad, their_adapters(theirs)[name].grad)
            assert parameter.grad.abs().max() > 0
        if step == 0:
            optimisers = [
                torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
                for model in (ours, theirs)
            ]
        for optimiser in optimisers:
            optimiser.step()
    for name, parameter in our_adapters(ours).items():
        torch.testing.assert_close(parameter, their_adapters(theirs)[name])


def test_a_fresh_adapter_starts_as_theirs_does(base, tokens):
    theirs, ours = base
    before = ours.lm_logits(tokens)
    wrapped = get_peft_model(theirs, peft_config())
    inject(ours)
    for name, parameter in our_adapters(ours).items():
        their_parameter = their_adapters(wrapped)[name]
        assert parameter.shape == their_parameter.shape
        if "lora_B" in name:
            assert (parameter == 0).all()
        else:  # uniform in the same bounds
            bound = 1 / parameter.shape[1] ** 0.5
            assert 0.8 * bound < parameter.abs().max() <= bound
            assert their_parameter.abs().max() <= bound
    ours.double()
    assert torch.equal(ours.lm_logits(tokens), before)


def test_published_scaling_is_alpha_times_rank_there(base, tokens):
    theirs, ours = base
    inject(ours, alpha=3.0, scaling="alpha")
    randomise_adapters(ours)
    ours.double()
    wrapped = get_peft_model(theirs, peft_config(lora_alpha=3.0 * RANK)).double()
    copy_adapters(ours, wrapped)
    torch.testing.assert_close(ours.lm_logits(tokens), wrapped(tokens).logits)


@pytest.mark.parametrize("targets", [["c_attn"], ["mlp.c_proj"], ["attn.c_proj", "c_fc"]])
def test_targets_pick_the_layers_that_peft_picks(base, targets):
    theirs, ours = base
    generator = torch.Generator().manual_seed(0)
    inject_lora(
        ours.blocks, rank=2, alpha=2, dropout=0.0, targets=targets, scaling="alpha/rank", generator=generator
    )
    wrapped = get_peft_model(theirs, peft_config(r=2, target_modules=targets))
    assert our_adapters(ours).keys() == their_adapters(wrapped).keys()


def test_there_is_one_head_whatever_wraps_the_model(base):
    """The well-known mistake: `peft_model.base_model.lm_head = ...` adds a head beside the one that is used."""
    theirs, ours = base
    body = sum(p.numel() for p in ours.parameters())
    wrapped = get_peft_model(theirs, peft_config())
    n_adapters = sum(p.numel() for p in their_adapters(wrapped).values())
    wrapped.base_model.lm_head = torch.nn.Linear(16, 2)
    tokens = torch.zeros(1, 3, dtype=torch.int64)
    assert wrapped(tokens).logits.shape == (1, 3, 31)  # the new head is not the one that is used
    heads = [m for name, m in wrapped.named_modules() if name.endswith("lm_head")]
    assert len({id(head) for head in heads}) == 2

    recipe = Recipe(train="lora", lora_rank=RANK, lora_alpha=ALPHA)
    classifier = build_classifier(ours.float(), 2, recipe, Engine("plain"), 0)
    assert sum(p.numel() for p in classifier.parameters()) == body + n_adapters + 16 * 2 + 2
    trained = sum(p.numel() for p in classifier.parameters() if p.requires_grad)
    assert trained == n_adapters + 16 * 2 + 2
