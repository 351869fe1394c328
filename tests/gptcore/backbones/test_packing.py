"""Rows without their padding: what blocks make of them is what they make of each row alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gptcore.backbones.gpt import GPT, Attend, gather_positions
from gptcore.backbones.packing import Packing
from gptcore.data.rows import real_positions

LENGTHS = torch.tensor([3, 6, 1, 5])
WIDTH = 7
REAL = real_positions(LENGTHS, WIDTH, "right")


@pytest.fixture
def gpt(toy_gpt) -> GPT:
    return toy_gpt()


def attend_packed(causal: bool) -> Attend:
    return Attend(causal, None if causal else REAL, Packing.of(REAL))


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


@pytest.mark.parametrize("causal", [True, False])
@torch.no_grad()
def test_padding_is_never_computed(gpt, causal):
    """It is no number here, and would be seen in whatever it touched."""
    made = gpt.run_blocks(states(padding=float("nan")), attend_packed(causal))
    for row, x, n in zip(made, states(padding=0.0), LENGTHS.tolist(), strict=True):
        alone = gpt.run_blocks(x[None, :n], Attend(causal))[0]
        torch.testing.assert_close(row[:n], alone)
        assert not row[n:].any()


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("start", [0, 1, 2, 3])
@torch.no_grad()
def test_read_positions_are_those_of_each_row_alone(gpt, causal, start):
    read = (LENGTHS - 1)[:, None]
    made = gpt.run_blocks(states(padding=0.0), attend_packed(causal), start=start, read=read)
    for row, x, n in zip(made, states(padding=0.0), LENGTHS.tolist(), strict=True):
        alone = gpt.run_blocks(x[None, :n], Attend(causal), start=start)
        torch.testing.assert_close(row, gather_positions(alone, torch.tensor([[n - 1]]))[0])


@pytest.mark.parametrize("causal", [True, False])
def test_gradients_are_those_of_each_row_alone(gpt, causal):
    weigh = torch.randn(len(LENGTHS), 16, generator=torch.Generator().manual_seed(4))
    read = (LENGTHS - 1)[:, None]
    (gpt.run_blocks(states(padding=0.0), attend_packed(causal), read=read)[:, 0] * weigh).sum().backward()
    packed = [p.grad.clone() for p in gpt.h.parameters()]
    gpt.zero_grad()
    for x, n, w in zip(states(padding=0.0), LENGTHS.tolist(), weigh, strict=True):
        (gpt.run_blocks(x[None, :n], Attend(causal))[0, -1] * w).sum().backward()
    for found, expected in zip(packed, (p.grad for p in gpt.h.parameters()), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
