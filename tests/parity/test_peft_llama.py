"""Methods of fine-tuning against peft on a toy Llama of transformers with the same weights, in float64.

Its layers are linear ones, which peft wraps with every method; those of GPT-2 are in `test_methods.py`.
"""

import math
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import peft
import pytest
import torch
from peft import get_peft_model
from torch import Tensor, nn

from gptcore.backbones.huggingface import HFBackbone
from gptcore.data.prompted import FIRST_PROMPT_ID
from gptcore.data.rows import Rows
from gptcore.engine.attention import RowAttention
from gptcore.methods.base import Method
from gptcore.methods.existing import BitFit, LnTuning
from gptcore.methods.prompts import Prompt, PTuning
from gptcore.methods.wrapped import AdaLora, Boft, Oft, linear_inputs
from tests.parity.toys import toy_backbone, toy_theirs

pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Unsupported layer type:UserWarning"),
    pytest.mark.filterwarnings("ignore:Failed to load the CUDA extension:UserWarning"),
    pytest.mark.filterwarnings("ignore:Setting boft_n_butterfly_factor to 1:UserWarning"),
]

TOKENS = torch.randint(3, 31, (3, 7), generator=torch.Generator().manual_seed(1))
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
Named = dict[str, nn.Parameter]


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def attach(method: Method, ours: HFBackbone) -> Named:
    """What learns in our backbone, by name, at values at which everything has a gradient."""
    method.attach(ours, torch.Generator().manual_seed(0))
    learning = {name: p for name, p in ours.model.named_parameters() if p.requires_grad}
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in learning.values():
            p.add_(0.2 * torch.randn(p.shape, generator=generator))
    return learning


def states(ours: HFBackbone, tokens: Tensor = TOKENS) -> Tensor:
    """Hidden states of the tokens (B, T, width)."""
    return ours.run(Rows.whole(tokens), RowAttention(True))


def check_equal(ours: Any, theirs: Any, learning: Named, named: Named) -> None:
    """Outputs, gradients and three steps of AdamW; ours, theirs: what computes the states."""
    assert learning.keys() == named.keys()
    with torch.no_grad():
        for name, p in learning.items():
            named[name].copy_(p)
    optimisers = [torch.optim.AdamW(list(each.values()), lr=1e-2) for each in (learning, named)]
    for _ in range(3):
        found, expected = ours(), theirs()
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
        for optimiser, output in zip(optimisers, (found, expected), strict=True):
            optimiser.zero_grad()
            output.sin().sum().backward()
        for name, p in learning.items():
            torch.testing.assert_close(p.grad, named[name].grad, rtol=1e-6, atol=1e-9)
            assert float(p.grad.abs().max()) > 1e-6, name  # type: ignore[union-attr]
        for optimiser in optimisers:
            optimiser.step()
    for name, p in learning.items():
        torch.testing.assert_close(p, named[name], rtol=1e-6, atol=1e-7)


NORMS = ["input_layernorm", "post_attention_layernorm", "norm"]


@pytest.mark.parametrize(
    ("method", "config"),
    [
        (
            Oft(block_size=4),
            peft.OFTConfig(r=0, oft_block_size=4, use_cayley_neumann=False, target_modules=LINEAR),
        ),
        (
            Boft(block_size=4, factors=1),
            peft.BOFTConfig(boft_block_size=4, boft_n_butterfly_factor=1, target_modules=LINEAR),
        ),
        (LnTuning(), peft.LNTuningConfig(target_modules=NORMS)),
    ],
    ids=["oft", "boft", "ln_tuning"],
)
def test_outputs_gradients_and_steps_equal_pefts(method: Method, config: peft.PeftConfig) -> None:
    ours = toy_backbone("llama")
    model = get_peft_model(toy_theirs(ours.info, ours), config)
    learning = attach(method, ours)
    named = {
        name.removeprefix("base_model.model.").replace("ln_tuning_layers.default.", ""): p
        for name, p in model.named_parameters()
        if p.requires_grad
    }
    check_equal(lambda: states(ours), lambda: model(input_ids=TOKENS).last_hidden_state, learning, named)


def test_bitfit_is_a_model_whose_biases_alone_learn() -> None:
    """peft has none; a Llama may have biases, as its config says."""
    ours = toy_backbone("llama", attention_bias=True, mlp_bias=True)
    theirs = toy_theirs(ours.info, ours)
    for name, p in theirs.named_parameters():
        p.requires_grad_(name.endswith(".bias"))
    learning = attach(BitFit(), ours)
    named = {name: p for name, p in theirs.named_parameters() if p.requires_grad}
    assert len(named) == 3 * len(LINEAR)
    # What is added to all keys moves no score: its gradient is rounding, of which AdamW makes whole steps.
    for each in (learning, named):
        for name in [name for name in each if "k_proj" in name]:
            each.pop(name).requires_grad_(False)
    theirs.load_state_dict(ours.model.state_dict(), strict=False)
    check_equal(lambda: states(ours), lambda: theirs(TOKENS).last_hidden_state, learning, named)


@pytest.mark.parametrize(
    ("method", "config"),
    [
        (Prompt(n=5), peft.PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=5)),
        (
            PTuning(n=5, hidden=7),
            peft.PromptEncoderConfig(
                **{"task_type": "FEATURE_EXTRACTION", "num_virtual_tokens": 5},
                encoder_hidden_size=7,
                encoder_num_layers=2,
            ),
        ),
    ],
    ids=["prompt", "p_tuning"],
)
def test_prompts_equal_pefts(method: Method, config: peft.PeftConfig) -> None:
    ours = toy_backbone("llama")
    model = get_peft_model(toy_theirs(ours.info, ours), config)
    learning = attach(method, ours)
    learning = {as_pefts(name): p for name, p in learning.items()}
    named = dict(model.prompt_encoder["default"].named_parameters())
    prompt = torch.arange(FIRST_PROMPT_ID, FIRST_PROMPT_ID + 5).expand(len(TOKENS), 5)
    mask = torch.ones_like(TOKENS)
    check_equal(
        lambda: states(ours, torch.cat([prompt, TOKENS], dim=1)),
        lambda: model(input_ids=TOKENS, attention_mask=mask).last_hidden_state,
        learning,
        named,
    )


def as_pefts(name: str) -> str:
    """peft's name of a parameter of a prompt."""
    name = name.rpartition("prompt.")[2]
    if name.endswith("values"):
        return "embedding.weight"
    return re.sub(r"layers\.(\d)\.", lambda found: f"mlp_head.{2 * int(found[1])}.", name)


class WithLoss(nn.Module):
    """A model with the sum of its states' sines as the loss, to which peft adds its penalty."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.inner = model

    def forward(self, tokens: Tensor) -> SimpleNamespace:
        return SimpleNamespace(loss=self.inner(tokens).last_hidden_state.sin().sum())


def test_penalty_and_budget_of_adalora_equal_pefts() -> None:
    """Loss and singular values over all steps of a training, dropped as the budget falls."""
    n_steps, method = 12, AdaLora(rank=4, mean_rank=2, alpha=8, start=0.1, end=0.3)
    ours = toy_backbone("llama")
    theirs = WithLoss(toy_theirs(ours.info, ours))
    targets = [f"inner.layers.{name}" for name in linear_inputs(ours.blocks)]
    adapter = method.attach(ours, torch.Generator().manual_seed(0))
    config = peft.AdaLoraConfig(
        **{"init_r": 4, "target_r": 2, "lora_alpha": 8, "orth_reg_weight": method.orthogonality},
        tinit=math.floor(method.start * n_steps),
        tfinal=math.floor(method.end * n_steps),
        total_step=n_steps,
        target_modules=targets,
    )
    model = peft.AdaLoraModel(theirs, config, "default")
    learning = {name: p for name, p in ours.model.named_parameters() if p.requires_grad}
    named = {name.removeprefix("model.inner."): p for name, p in model.named_parameters() if p.requires_grad}
    assert learning.keys() == named.keys()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, p in learning.items():
            p.add_(0.2 * torch.randn(p.shape, generator=generator))
            named[name].copy_(p)
    optimisers = [torch.optim.AdamW(list(each.values()), lr=1e-2) for each in (learning, named)]
    left = []
    for step in range(1, n_steps + 1):
        penalty = adapter.extra_loss()
        assert penalty is not None
        losses = [states(ours).sin().sum() + penalty, model(TOKENS).loss]
        torch.testing.assert_close(losses[0], losses[1], rtol=1e-9, atol=1e-9)
        for optimiser, loss in zip(optimisers, losses, strict=True):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        adapter.after_step(step, n_steps)
        model.update_and_allocate(step)
        values = [(p, named[name]) for name, p in learning.items() if "lora_E" in name]
        for p, expected in values:
            torch.testing.assert_close(p, expected, rtol=1e-6, atol=1e-7)
            assert ((p == 0) == (expected == 0)).all()
        left.append(sum(int((p != 0).sum()) for p, _ in values))
    assert left[0] == 4 * len(values)
    assert left[-1] <= 2 * len(values) < left[0]
