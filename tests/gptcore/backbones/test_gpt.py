"""The forward pass against attention written out by hand, and its seams: blocks k .. n, positions that are read."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gptcore.backbones.base import CAUSAL, gather_positions
from gptcore.backbones.gpt import GPT
from gptcore.data.rows import Rows
from gptcore.engine.attention import RowAttention

KINDS = [CAUSAL, RowAttention(True), RowAttention(False)]


def naive_attention(x: Tensor, attn: torch.nn.Module, causal: bool, real: list[list[bool]] | None) -> Tensor:
    """One query, head and row at a time, with nothing but dot products and exponentials."""
    B, T, D = x.shape
    d_head = D // attn.n_head
    q, k, v = (x @ attn.c_attn.weight.T + attn.c_attn.bias).split(D, dim=2)
    y = torch.zeros(B, T, D)
    for b in range(B):
        for i in range(T):
            seen = [j for j in range(T) if j == i or ((not causal or j < i) and (real is None or real[b][j]))]
            for h in range(attn.n_head):
                part = slice(h * d_head, (h + 1) * d_head)
                weights = [math.exp(float(q[b, i, part] @ k[b, j, part]) / math.sqrt(d_head)) for j in seen]
                for weight, j in zip(weights, seen, strict=True):
                    y[b, i, part] += weight / sum(weights) * v[b, j, part]
    return y @ attn.c_proj.weight.T + attn.c_proj.bias


@pytest.fixture
def gpt(toy_gpt) -> GPT:
    return toy_gpt()


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(31, (3, 7), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@torch.no_grad()
def test_attention_is_the_naive_one(gpt, causal, masked):
    x = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(2))
    real = [[True, True, True, False, False], [False, False, True, True, True], [False] * 5]
    attend = RowAttention(causal, torch.tensor(real) if masked else None)
    expected = naive_attention(x, gpt.h[0].attn, causal, real if masked else None)
    torch.testing.assert_close(gpt.h[0].attn(x, attend), expected)
    read = torch.tensor([[4, 0], [2, 2], [1, 3]])
    torch.testing.assert_close(gpt.h[0].attn(x, attend, read), gather_positions(expected, read))


@torch.no_grad()
def test_a_causal_model_sees_nothing_to_its_right(gpt, tokens):
    changed = tokens.clone()
    changed[:, 4] = (changed[:, 4] + 1) % 31
    before, after = gpt(tokens), gpt(changed)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:], atol=1e-3)
    assert not torch.allclose(
        gpt(tokens, RowAttention(False))[:, :4], gpt(changed, RowAttention(False))[:, :4], atol=1e-3
    )


@pytest.mark.parametrize("attend", KINDS)
@torch.no_grad()
def test_blocks_compose_at_every_k(gpt, tokens, attend):
    rows = Rows.whole(tokens)
    whole = gpt.run(rows, attend, stop=3)
    read = torch.tensor([[6, 0], [3, 3], [5, 1]])
    for k in range(gpt.config.n_layer + 1):
        trunk = gpt.run(rows, attend, stop=k)
        above = replace(rows, values=trunk, depth=k)
        assert torch.equal(gpt.run(above, attend, stop=3), whole)
        read_after = gpt.run(above, attend, stop=3, read=read)
        torch.testing.assert_close(read_after, gather_positions(whole, read))
        read_before = gpt.run(rows, attend, stop=k, read=read)
        torch.testing.assert_close(read_before, gather_positions(trunk, read))
    assert torch.equal(gpt(tokens, attend), gpt.ln_f(whole))
    assert torch.equal(gpt.run(replace(rows, values=whole, depth=3), attend), gpt.ln_f(whole))


@given(data=st.data(), causal=st.booleans(), masked=st.booleans())
@torch.no_grad()
def test_read_positions_are_those_of_the_full_pass(toy_gpt, data, causal, masked):
    B, T, R = (data.draw(st.integers(1, n)) for n in (3, 12, 4))
    gpt = toy_gpt(n_layer=2)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    tokens = torch.randint(31, (B, T), generator=generator)
    read = torch.randint(T, (B, R), generator=generator)
    real = torch.rand(B, T, generator=generator) < 0.6 if masked else None
    rows, attend = Rows.whole(tokens), RowAttention(causal, real)
    full, some = gpt.run(rows, attend), gpt.run(rows, attend, read=read)
    torch.testing.assert_close(some, gather_positions(full, read), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("causal", [True, False])
def test_rows_that_are_all_padding_stay_finite(gpt, tokens, causal):
    real = torch.zeros_like(tokens, dtype=torch.bool)
    real[1, 3:] = True  # left padding: its queries 0 .. 2 see no real key under a causal mask
    hidden = gpt(tokens, RowAttention(causal, real))
    assert hidden.isfinite().all()
    hidden.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in gpt.parameters())


@torch.no_grad()
def test_padding_that_cannot_be_seen_changes_nothing(gpt, tokens):
    changed = tokens.clone()
    changed[:, 5:] = 0
    real = torch.arange(7).expand(3, 7) < 5
    for causal in (True, False):
        attend = RowAttention(causal, real)
        torch.testing.assert_close(gpt(tokens, attend)[:, :5], gpt(changed, attend)[:, :5])
        torch.testing.assert_close(gpt(tokens, attend)[:, :5], gpt(tokens[:, :5], RowAttention(causal)))


@torch.no_grad()
def test_positions_default_to_0_and_on(gpt, tokens):
    assert torch.equal(gpt(tokens), gpt(tokens, RowAttention(positions=torch.arange(7).expand(3, 7))))
    shifted = gpt.embed(tokens, torch.arange(7).expand(3, 7) + 2)
    torch.testing.assert_close(shifted, gpt.wte.weight[tokens] + gpt.wpe.weight[2:9])


@pytest.mark.parametrize("tie_output", [True, False])
@torch.no_grad()
def test_lm_logits_use_the_tied_or_the_own_output(toy_gpt, tokens, tie_output):
    gpt = toy_gpt(tie_output=tie_output)
    assert (gpt.lm_head is None) == tie_output
    output = gpt.wte.weight if tie_output else gpt.lm_head.weight
    assert torch.equal(gpt.lm_logits(tokens), F.linear(gpt(tokens), output))
