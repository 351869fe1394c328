"""Rows without their padding: what blocks make of them is what they make of each row alone."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gptcore.backbones.base import gather_positions
from gptcore.backbones.gpt import GPT
from gptcore.data.rows import Rows, real_positions
from gptcore.engine.attention import Packing, RowAttention, as_linear

LENGTHS = torch.tensor([3, 6, 1, 5])
WIDTH = 7
REAL = real_positions(LENGTHS, WIDTH, "right")


@pytest.fixture
def gpt(toy_gpt) -> GPT:
    return toy_gpt()


def attend_packed(causal: bool) -> RowAttention:
    return RowAttention(causal, None if causal else REAL, Packing.of(REAL))


def run(gpt: GPT, x: Tensor, attend: RowAttention, start: int = 0, read: Tensor | None = None) -> Tensor:
    """States before block `start` through the blocks, without the final norm."""
    return gpt.run(Rows(x, torch.empty(0), depth=start), attend, stop=3, read=read)


def states(padding: float) -> Tensor:
    x = torch.randn(len(LENGTHS), WIDTH, 16, generator=torch.Generator().manual_seed(3))
    x[~REAL] = padding
    return x


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5), spare=st.integers(0, 3))
def test_packed_rows_are_the_real_positions_in_order(lengths, spare):
    width = max(lengths) + spare
    packing = Packing.of(real_positions(torch.tensor(lengths), width, "right"))
    x = torch.arange(1.0, 1 + len(lengths) * width * 2).view(len(lengths), width, 2)
    packed = packing.pack(x)
    assert torch.equal(packed, torch.cat([row[:n] for row, n in zip(x, lengths, strict=True)]))
    again = packing.unpack(packed)
    for row, before, n in zip(again, x, lengths, strict=True):
        assert torch.equal(row[:n], before[:n])
        assert not row[n:].any()


@pytest.mark.parametrize("rotated", [torch.bfloat16, torch.float32])
def test_on_a_cpu_attention_itself_is_float32(monkeypatch: pytest.MonkeyPatch, rotated: torch.dtype) -> None:
    """Also of families that rotate queries and keys in float32; the kernel takes three times as long in bfloat16."""
    seen: list[torch.dtype] = []
    kernel = F.scaled_dot_product_attention

    def spy(*tensors: Tensor, **how: object) -> Tensor:
        made = kernel(*tensors, **how)
        seen.append(made.dtype)
        return made

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    v = torch.randn(2, 5, 3, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        RowAttention()(v.to(rotated), v.to(rotated), v, 2.0)
    assert seen == [torch.float32]


@pytest.mark.parametrize("causal", [True, False])
@torch.no_grad()
def test_padding_is_never_computed(gpt, causal):
    """It is no number here, and would be seen in whatever it touched."""
    made = run(gpt, states(padding=float("nan")), attend_packed(causal))
    for row, x, n in zip(made, states(padding=0.0), LENGTHS.tolist(), strict=True):
        alone = run(gpt, x[None, :n], RowAttention(causal))[0]
        torch.testing.assert_close(row[:n], alone)
        assert not row[n:].any()


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("start", [0, 1, 2, 3])
@torch.no_grad()
def test_read_positions_are_those_of_each_row_alone(gpt, causal, start):
    read = (LENGTHS - 1)[:, None]
    made = run(gpt, states(padding=0.0), attend_packed(causal), start=start, read=read)
    for row, x, n in zip(made, states(padding=0.0), LENGTHS.tolist(), strict=True):
        alone = run(gpt, x[None, :n], RowAttention(causal), start=start)
        torch.testing.assert_close(row, gather_positions(alone, torch.tensor([[n - 1]]))[0])


@pytest.mark.parametrize("causal", [True, False])
def test_gradients_are_those_of_each_row_alone(gpt, causal):
    weigh = torch.randn(len(LENGTHS), 16, generator=torch.Generator().manual_seed(4))
    read = (LENGTHS - 1)[:, None]
    (run(gpt, states(padding=0.0), attend_packed(causal), read=read)[:, 0] * weigh).sum().backward()
    packed = [p.grad.clone() for p in gpt.h.parameters()]
    gpt.zero_grad()
    for x, n, w in zip(states(padding=0.0), LENGTHS.tolist(), weigh, strict=True):
        (run(gpt, x[None, :n], RowAttention(causal))[0, -1] * w).sum().backward()
    for found, expected in zip(packed, (p.grad for p in gpt.h.parameters()), strict=True):
        # Sums in another order: processors differ in how far apart they come out.
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


class Wrapped(nn.Module):
    """An adapter's layer as PEFT has them: its `weight` is the wrapped layer's, and what it computes is more."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base

    @property
    def weight(self) -> Tensor:
        return self.base.weight

    @property
    def bias(self) -> Tensor:
        return self.base.bias

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + 3 * x.repeat(1, 1, 3)


class Scaled(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


@pytest.mark.parametrize("kind", ["wrapped", "subclass", "parametrised"])
@torch.no_grad()
def test_what_an_adapter_adds_is_read_too(gpt, kind):
    """The way without keys would take a projection's weight for all that it does."""
    attention = gpt.h[2].attn
    if kind == "wrapped":
        attention.c_attn = Wrapped(attention.c_attn)
    elif kind == "subclass":
        scaled = Scaled(16, 48)
        scaled.load_state_dict(attention.c_attn.state_dict())
        attention.c_attn = scaled
    else:
        nn.utils.parametrizations.weight_norm(attention.c_attn)
        attention.c_attn.parametrizations.weight.original0 += 1
    x, read = states(padding=0.0), (LENGTHS - 1)[:, None]
    whole = run(gpt, x, RowAttention())
    torch.testing.assert_close(run(gpt, x, RowAttention(), read=read), gather_positions(whole, read))


def test_only_a_plain_layer_is_believed_to_be_its_weight() -> None:
    plain = nn.Linear(16, 48)
    found = as_linear(plain)
    assert found is not None
    assert found[0] is plain.weight
    assert as_linear(Wrapped(plain)) is None
    assert as_linear(Scaled(16, 48)) is None
