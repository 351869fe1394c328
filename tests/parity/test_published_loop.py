"""Ten training steps against a loop written naively from the description of the published procedure.

The naive side shares nothing with ours but the starting values: a GPT-2 in elementary operations (no fused
attention, no nn.Module), rows padded on the right and fully attended to under the causal mask, the class logits
of the last position, cross-entropy, AdamW with weight decay 0.1, batches of 8. All in float32.
"""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gptcore.data.rows import pad
from gptcore.engine.classifier import Classifier
from gptcore.engine.engine import Engine
from gptcore.recipe import Recipe
from gptcore.training.build import build_classifier
from gptcore.training.loop import Labelled, train
from gptcore.training.timing import Phases

N_LAYER, N_HEAD, PAD = 3, 2, 30
STEPS, BATCH = 10, 8
RANK, ALPHA = 4, 4.0  # the published update is alpha * B A x, without division by the rank


def norm(x: Tensor, p: dict[str, Tensor], name: str) -> Tensor:
    centred = x - x.mean(dim=-1, keepdim=True)
    variance = (centred * centred).mean(dim=-1, keepdim=True)
    return centred / torch.sqrt(variance + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def linear(x: Tensor, p: dict[str, Tensor], name: str) -> Tensor:
    if f"{name}.lora_A" in p:
        frozen = x @ p[f"{name}.linear.weight"].T + p[f"{name}.linear.bias"]
        return frozen + ALPHA * ((x @ p[f"{name}.lora_A"].T) @ p[f"{name}.lora_B"].T)
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def attention(x: Tensor, p: dict[str, Tensor], name: str) -> Tensor:
    n_tokens, width = x.shape[1], x.shape[2]
    d_head = width // N_HEAD
    qkv = linear(x, p, f"{name}.c_attn")
    future = torch.ones(n_tokens, n_tokens).triu(1).bool()
    heads = []
    for head in range(N_HEAD):
        at = head * d_head
        q = qkv[:, :, at : at + d_head]
        k = qkv[:, :, width + at : width + at + d_head]
        v = qkv[:, :, 2 * width + at : 2 * width + at + d_head]
        scores = (q @ k.transpose(1, 2)) / math.sqrt(d_head)
        weights = torch.exp(scores - scores.max(dim=-1, keepdim=True).values).masked_fill(future, 0.0)
        heads.append((weights / weights.sum(dim=-1, keepdim=True)) @ v)
    return linear(torch.cat(heads, dim=2), p, f"{name}.c_proj")


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def class_logits(tokens: Tensor, p: dict[str, Tensor]) -> Tensor:
    x = p["backbone.wte.weight"][tokens] + p["backbone.wpe.weight"][: tokens.shape[1]]
    for i in range(N_LAYER):
        x = x + attention(norm(x, p, f"backbone.h.{i}.ln_1"), p, f"backbone.h.{i}.attn")
        hidden = gelu(linear(norm(x, p, f"backbone.h.{i}.ln_2"), p, f"backbone.h.{i}.mlp.c_fc"))
        x = x + linear(hidden, p, f"backbone.h.{i}.mlp.c_proj")
    return linear(norm(x, p, "backbone.ln_f")[:, -1], p, "head")


def learns(name: str, row: str) -> bool:
    if name.startswith("head.") or row == "all":
        return True
    if row == "lora":
        return "lora_" in name
    return name.startswith((f"backbone.h.{N_LAYER - 1}.", "backbone.ln_f."))


def naive_losses(classifier: Classifier, row: str, lr: float, tokens: Tensor, labels: Tensor) -> list[float]:
    """Train a copy of the classifier's values; rows come in the order given, eight a step."""
    p = {name: value.detach().clone() for name, value in classifier.named_parameters()}
    chosen = [value.requires_grad_() for name, value in p.items() if learns(name, row)]
    optimiser = torch.optim.AdamW(chosen, lr=lr, weight_decay=0.1)
    losses = []
    for start in range(0, len(tokens), BATCH):
        logits = class_logits(tokens[start : start + BATCH], p)
        batch_labels = labels[start : start + BATCH]
        log_sum = torch.log(torch.exp(logits).sum(dim=1))
        loss = (log_sum - logits[torch.arange(BATCH), batch_labels]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@pytest.fixture
def data() -> Labelled:
    """80 rows of 1 to 12 tokens, two classes."""
    rng = np.random.default_rng(0)
    sequences = [rng.integers(PAD, size=rng.integers(1, 13)).tolist() for _ in range(STEPS * BATCH)]
    labels = np.array([sequence[0] % 2 for sequence in sequences])
    return Labelled(pad(sequences, 12, PAD), labels)


@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("lr", [5e-5, 2e-3])  # the published one, and one that moves a toy model
@pytest.mark.parametrize("row", ["last_block", "all", "lora"])
def test_ten_steps_give_the_losses_of_the_published_procedure(toy_gpt, data, row, lr, engine):
    recipe = Recipe(train=row, lr=lr, epochs=1, lora_rank=RANK, lora_alpha=ALPHA)
    assert (recipe.position, recipe.padding, recipe.attend_padding) == ("last", "right", True)
    assert (recipe.batch_size, recipe.weight_decay, recipe.lora_scaling) == (8, 0.1, "alpha")
    classifier = build_classifier(toy_gpt(), 2, recipe, Engine(engine), init_seed=123)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(123))
    tokens, labels = data.rows.values[order], torch.from_numpy(data.labels)[order]
    expected = naive_losses(classifier, row, lr, tokens, labels)
    untrained = naive_losses(classifier, row, 0.0, tokens, labels)

    training = train(classifier, recipe, data, data, 123, Phases(torch.device("cpu")))
    assert len(training.losses) == STEPS
    np.testing.assert_allclose(training.losses, expected, rtol=0, atol=1e-4)
    moved = np.abs(np.subtract(expected, untrained)).max()
    assert moved > (1e-3 if lr == 5e-5 else 0.05)  # so the agreement is one of ten real steps
