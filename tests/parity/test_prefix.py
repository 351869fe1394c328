"""Prefix tuning against peft's, with the same weights, keys and values in float64.

peft gives transformers its prefixes as a cache, so its texts stand at the positions n, n + 1 ...; ours stand where they
would without a prefix. Given peft's positions, ours computes the same.
"""

from typing import Any

import peft
import pytest
import torch
from peft import get_peft_model
from torch import Tensor, nn

from gptcore.backbones.base import Backbone
from gptcore.backbones.weights import load_gpt
from gptcore.data.rows import Rows
from gptcore.engine.attention import RowAttention
from gptcore.methods.prefix import Prefix
from gptcore.methods.prefix_layers import LearnedKeys
from tests.parity.toys import toy_backbone, toy_theirs

pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]

N, T = 4, 7
FAMILIES = ["gpt2", "llama", "qwen3", "gpt_neox", "opt", "bert"]


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def pair(family: str, tmp_path: Any, toy_config: Any, hf_gpt2: Any) -> tuple[Backbone, nn.Module]:
    """Our backbone and transformers' model of the same weights."""
    if family == "gpt2":
        model = hf_gpt2(toy_config()).float()
        model.save_pretrained(tmp_path / "base")
        return load_gpt(tmp_path / "base").double(), model.transformer.double()
    ours = toy_backbone(family)
    return ours, toy_theirs(ours.info, ours)


def attach(ours: Backbone) -> list[LearnedKeys]:
    """Prefixes in every block, at values that are no start values."""
    Prefix(n=N).attach(ours, torch.Generator().manual_seed(0))
    layers = [module for module in ours.modules() if isinstance(module, LearnedKeys)]
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for layer in layers:
            for p in layer.parameters():
                p.data = torch.randn(p.shape, generator=generator, dtype=torch.float64)
    return layers


def as_pefts(layers: list[LearnedKeys], of: str = "data") -> Tensor:
    """All keys and values, or their gradients, as the one table that peft has: (n, 2 x blocks x width of a key)."""
    parts = [getattr(p, of) for layer in layers for p in (layer.keys, layer.values)]
    return torch.stack(parts, dim=1).flatten(1)


@pytest.mark.parametrize("family", FAMILIES)
def test_states_gradients_and_steps_are_pefts(family: str, tmp_path, toy_config, hf_gpt2) -> None:
    ours, theirs = pair(family, tmp_path, toy_config, hf_gpt2)
    layers = attach(ours)
    model = get_peft_model(
        theirs, peft.PrefixTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=N)
    ).double()
    table = model.prompt_encoder["default"].embedding.weight
    with torch.no_grad():
        table.copy_(as_pefts(layers))
    tokens = torch.randint(3, 31, (3, T), generator=torch.Generator().manual_seed(1))
    positions = torch.arange(N, N + T).expand(3, T)
    attend = RowAttention(ours.info.abilities.causal, positions=positions)
    learning = [p for layer in layers for p in layer.parameters()]
    assert [id(p) for p in learning] == [id(p) for p in ours.parameters() if p.requires_grad]
    optimisers = [torch.optim.AdamW(some, lr=1e-2) for some in (learning, [table])]
    for _ in range(3):
        for optimiser in optimisers:
            optimiser.zero_grad()
        found = ours.run(Rows.whole(tokens), attend)
        expected = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).last_hidden_state
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
        for states in (found, expected):
            states.sin().sum().backward()
        torch.testing.assert_close(as_pefts(layers, "grad"), table.grad, rtol=1e-6, atol=1e-9)
        for optimiser in optimisers:
            optimiser.step()
    torch.testing.assert_close(as_pefts(layers), table.data, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_texts_stand_where_they_would_without_a_prefix(family: str, tmp_path, toy_config, hf_gpt2) -> None:
    """transformers is given the same keys and values as a cache, and the text's own positions."""
    ours, theirs = pair(family, tmp_path, toy_config, hf_gpt2)
    layers = attach(ours)
    tokens = torch.randint(3, 31, (2, T), generator=torch.Generator().manual_seed(1))
    found = ours.run(Rows.whole(tokens), RowAttention(True))
    expected = theirs(
        input_ids=tokens,
        position_ids=torch.arange(T).expand(2, T),
        past_key_values=_cache(theirs, layers, len(tokens)),
    ).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)


def _cache(model: Any, layers: list[LearnedKeys], n_rows: int) -> Any:
    """The prefixes as transformers keeps keys and values of tokens that it has seen."""
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    for i, layer in enumerate(layers):
        k, v = (p.detach().transpose(0, 1).expand(n_rows, -1, -1, -1) for p in (layer.keys, layer.values))
        cache.update(k, v, i)
    return cache


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert"])
def test_prefixes_start_as_those_of_a_text(family: str, tmp_path, toy_config, hf_gpt2) -> None:
    """In transformers' cache for a decoder; in a decoder the text goes on as if the tokens stood before it."""
    ours, theirs = pair(family, tmp_path, toy_config, hf_gpt2)
    adapter = Prefix(n=N).attach(ours, torch.Generator().manual_seed(0))
    layers = [module for module in ours.modules() if isinstance(module, LearnedKeys)]
    assert not any(p.any() for layer in layers for p in layer.parameters())
    causal = ours.info.abilities.causal
    adapter.initialise(RowAttention(causal))
    assert all(p.requires_grad and p.abs().max() > 0.01 for layer in layers for p in layer.parameters())
    if not causal:
        return
    _, _, before = adapter._attached
    tokens = torch.randint(3, 31, (1, T - 1), generator=torch.Generator().manual_seed(1))
    positions = torch.arange(N, N + T - 1)[None]
    found = ours.run(Rows.whole(tokens), RowAttention(True, positions=positions))
    whole = theirs(torch.cat([before[None], tokens], dim=1)).last_hidden_state
    torch.testing.assert_close(found, whole[:, N:], rtol=1e-6, atol=1e-6)
