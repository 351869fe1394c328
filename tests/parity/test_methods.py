"""Methods of fine-tuning against peft on transformers' GPT-2 with the same weights, in float64.

What is learned is copied from ours to theirs by name; outputs, gradients and three steps must agree.
"""

import re

import peft
import pytest
import torch
from peft import get_peft_model
from torch import nn

from gptcore.backbones.gpt import GPT
from gptcore.backbones.weights import load_gpt
from gptcore.data.prompted import FIRST_PROMPT_ID
from gptcore.methods.base import Method
from gptcore.methods.existing import LnTuning
from gptcore.methods.lora import Lora
from gptcore.methods.prompts import Prompt, PTuning
from gptcore.methods.wrapped import AdaLora, Dora, Ia3, Pissa, Vera

# PEFT 0.21 asks transformers 5 by an attribute's old name.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Unsupported layer type:UserWarning"),
]

TARGETS = ("c_attn", "mlp.c_proj")
# Those that transformers' GPT-2 can have, whose layers are Conv1D: OFT and BOFT cannot
ON_CONV1D: list[tuple[Method, peft.PeftConfig]] = [
    *(
        (
            Lora(rank=3, alpha=6, targets=TARGETS, scaling="alpha/sqrt(rank)", bias=bias),
            peft.LoraConfig(
                **{"r": 3, "lora_alpha": 6, "use_rslora": True, "bias": bias},
                target_modules=list(TARGETS),
                fan_in_fan_out=True,
            ),
        )
        for bias in ("none", "lora_only", "all")
    ),
    (
        Dora(rank=3, alpha=6, targets=TARGETS),
        peft.LoraConfig(r=3, lora_alpha=6, use_dora=True, target_modules=list(TARGETS), fan_in_fan_out=True),
    ),
    (
        Pissa(rank=3, alpha=3, targets=TARGETS),
        peft.LoraConfig(
            r=3, lora_alpha=3, init_lora_weights="pissa", target_modules=list(TARGETS), fan_in_fan_out=True
        ),
    ),
    (
        Vera(rank=5, targets=TARGETS),
        peft.VeraConfig(r=5, projection_prng_key=0, target_modules=list(TARGETS), fan_in_fan_out=True),
    ),
    (
        Ia3(targets=TARGETS, feedforward=("mlp.c_proj",)),
        peft.IA3Config(target_modules=list(TARGETS), feedforward_modules=["mlp.c_proj"], fan_in_fan_out=True),
    ),
    (
        AdaLora(rank=4, mean_rank=2, alpha=8, targets=TARGETS),
        peft.AdaLoraConfig(
            init_r=4,
            target_r=2,
            lora_alpha=8,
            total_step=10,
            target_modules=list(TARGETS),
            fan_in_fan_out=True,
        ),
    ),
]


def _id(value: object) -> str | None:
    return value.slug if isinstance(value, Method) else ""


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(31, (4, 9), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def base(tmp_path, toy_config, hf_gpt2):
    """Their GPT-2 and ours with the same weights."""
    theirs = hf_gpt2(toy_config())
    theirs.save_pretrained(tmp_path / "base")
    return theirs, load_gpt(tmp_path / "base")


def attach(method: Method, ours: GPT) -> dict[str, nn.Parameter]:
    """What learns in our backbone, by name, at values at which everything has a gradient."""
    method.attach(ours, torch.Generator().manual_seed(0))
    ours.double()  # only now: PiSSA starts in float32
    learning = {name: p for name, p in ours.named_parameters() if p.requires_grad}
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in learning.values():
            p.add_(0.2 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return learning


def _ours(name: str, method: Method) -> str:
    """Our name of a parameter of theirs: the same but where the layers are our own."""
    name = name.removeprefix("base_model.model.transformer.")
    if not isinstance(method, Lora):
        return name
    name = name.replace(".base_layer.", ".linear.")
    return re.sub(r"\.lora_([AB])\.default\.weight$", r".lora_\1", name)


@pytest.mark.parametrize(("method", "config"), ON_CONV1D, ids=_id)
def test_outputs_gradients_and_steps_equal_pefts(
    base, tokens, method: Method, config: peft.PeftConfig
) -> None:
    theirs, ours = base
    model = get_peft_model(theirs, config).double()
    learning = attach(method, ours)
    named = {_ours(name, method): p for name, p in model.named_parameters()}
    assert {name for name, p in named.items() if p.requires_grad} == set(learning)
    with torch.no_grad():
        for name, p in learning.items():
            named[name].copy_(p)
    optimisers = [
        torch.optim.AdamW(parameters, lr=1e-2)
        for parameters in (list(learning.values()), [named[name] for name in learning])
    ]
    transformer = model.base_model.model.transformer
    for _ in range(3):
        for optimiser in optimisers:
            optimiser.zero_grad()
        found, expected = ours(tokens), transformer(tokens).last_hidden_state
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
        for states in (found, expected):
            states.sin().sum().backward()
        for name, p in learning.items():
            torch.testing.assert_close(p.grad, named[name].grad, rtol=1e-6, atol=1e-9)
        for optimiser in optimisers:
            optimiser.step()
    for name, p in learning.items():
        torch.testing.assert_close(p, named[name], rtol=1e-6, atol=1e-7)


def test_pissa_starts_from_the_model_as_it_was(base, tokens) -> None:
    _, ours = base
    before = ours(tokens)
    Pissa(rank=3, alpha=3).attach(ours, torch.Generator())
    torch.testing.assert_close(ours(tokens), before, rtol=1e-5, atol=1e-5)


def test_ln_tuning_is_pefts(base, tokens) -> None:
    """peft wants the names of the norms, and copies each."""
    theirs, ours = base
    config = peft.LNTuningConfig(target_modules=["ln_1", "ln_2", "ln_f"])
    model = get_peft_model(theirs, config)
    learning = attach(LnTuning(), ours)
    ours.float()
    named = {
        re.sub(r"ln_tuning_layers\.default\.", "", name.removeprefix("base_model.model.transformer.")): p
        for name, p in model.named_parameters()
        if p.requires_grad
    }
    assert set(named) == set(learning)
    with torch.no_grad():
        for name, p in learning.items():
            named[name].copy_(p)
    transformer = model.base_model.model.transformer
    torch.testing.assert_close(ours(tokens), transformer(tokens).last_hidden_state, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("method", "config"),
    [
        (Prompt(n=5), peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5)),
        (
            PTuning(n=5, hidden=7),
            peft.PromptEncoderConfig(
                task_type="CAUSAL_LM", num_virtual_tokens=5, encoder_hidden_size=7, encoder_num_layers=2
            ),
        ),
    ],
    ids=_id,
)
def test_prompts_are_pefts(base, tokens, method: Method, config: peft.PeftConfig) -> None:
    """The same vectors before the same tokens: logits at every position, and gradients of the prompt."""
    theirs, ours = base
    tokens = tokens[:, :4]
    model = get_peft_model(theirs, config)
    learning = attach(method, ours)
    model.double()
    encoder = model.prompt_encoder["default"]
    pairs = {"wte.prompt.values": "embedding.weight", "wte.prompt.vectors.values": "embedding.weight"}
    pairs |= {
        f"wte.prompt.layers.{i}.{kind}": f"mlp_head.{2 * i}.{kind}"
        for i in range(3)
        for kind in ("weight", "bias")
    }
    named = dict(encoder.named_parameters())
    assert {pairs[name] for name in learning} == set(named)
    with torch.no_grad():
        for name, p in learning.items():
            named[pairs[name]].copy_(p)
    prompt = torch.arange(FIRST_PROMPT_ID, FIRST_PROMPT_ID + 5).expand(len(tokens), 5)
    found = ours.lm_logits(torch.cat([prompt, tokens], dim=1))
    expected = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
    for logits in (found, expected):
        logits.sin().sum().backward()
    for name, p in learning.items():
        torch.testing.assert_close(p.grad, named[pairs[name]].grad, rtol=1e-6, atol=1e-9)
