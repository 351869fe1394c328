"""Attention over rows that lie end to end. A double of torch's kernel, by its documentation, plays it on the CPU."""

import inspect
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gptcore.data.rows import Rows, real_positions
from gptcore.engine import varlen
from gptcore.engine.attention import Packing, RowAttention
from gptcore.recipe import Recipe
from gptcore.training.evaluate import predict_logits

LENGTHS = torch.tensor([3, 6, 1, 5])
REAL = real_positions(LENGTHS, 7, "right")
N_HEAD, D_HEAD = 2, 8


def played(q, k, v, cu_seq_q, cu_seq_k, max_q, max_k, *, scale=None, window_size=(-1, -1)) -> Tensor:
    """torch.nn.attention.varlen.varlen_attn as its page describes it, one row after the other."""
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    assert torch.equal(cu_seq_q, cu_seq_k)
    lengths = cu_seq_q.diff().tolist()
    assert max(lengths) <= max_q == max_k
    causal = {(-1, -1): False, (-1, 0): True}[window_size]
    rows = [
        F.scaled_dot_product_attention(*(t.transpose(0, 1) for t in row), is_causal=causal, scale=scale)
        for row in zip(*(t.split(lengths) for t in (q, k, v)), strict=True)
    ]
    return torch.cat([row.transpose(0, 1) for row in rows])


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Plays the kernel; returns the positions of every call."""
    calls: list[int] = []

    def noted(q: Tensor, *others: object, **named: object) -> Tensor:
        calls.append(len(q))
        return played(q, *others, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(varlen, "takes", lambda *_: True)
    monkeypatch.setattr(varlen, "kernel", lambda: noted)
    return calls


@pytest.mark.parametrize("causal", [True, False])
def test_packed_rows_see_what_padded_rows_see(causal, request):
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(15, N_HEAD, D_HEAD, generator=generator) for _ in range(3))
    attend = RowAttention(causal, None if causal else REAL, Packing.of(REAL))
    expected = attend(q, k, v, 3.0)
    calls = request.getfixturevalue("double")
    torch.testing.assert_close(attend(q, k, v, 3.0), expected)
    assert calls == [15]


@pytest.mark.parametrize("train", ["last_block", "all", "lora"])
@pytest.mark.parametrize(
    "changes",
    [
        {"position": "last_real"},
        {"position": "mean_real"},
        {"attend_padding": False, "attention": "bidirectional", "position": "mean_real"},
    ],
)
def test_a_model_gives_the_same_with_its_gradients(toy_classifier, toy_labelled, request, changes, train):
    recipe = Recipe(train=train, lora_rank=2, **changes)
    padded, packed = (toy_classifier(recipe, "fast") for _ in range(2))
    rows = toy_labelled(20).rows
    expected = padded(rows)
    expected.sum().backward()
    calls = request.getfixturevalue("double")
    found = packed(rows)
    found.sum().backward()
    torch.testing.assert_close(found, expected)
    assert set(calls) == {int(rows.lengths.sum())}
    for one, other in zip(padded.trained_parameters(), packed.trained_parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-4, atol=1e-5)


def test_rows_of_one_length_need_no_kernel(toy_classifier, double):
    classifier = toy_classifier(Recipe(position="last_real"), "fast")
    tokens = torch.randint(30, (4, 5), generator=torch.Generator().manual_seed(0))
    classifier.features(Rows.whole(tokens))
    assert double == []


class OnGpu:
    """The facts of a tensor on a GPU."""

    is_cuda, device = True, torch.device("cuda")

    def __init__(self, *shape: int, dtype: torch.dtype = torch.bfloat16):
        self.shape, self.dtype = torch.Size(shape), dtype


def test_what_the_kernel_takes(monkeypatch):
    asked = []
    monkeypatch.setattr(varlen, "serves", lambda *of: asked.append(of) or True)
    q = OnGpu(15, 12, 64)
    assert varlen.takes(q, q)
    assert asked == [(q.device, torch.bfloat16, 64)]
    assert not varlen.takes(q, OnGpu(15, 4, 64))  # grouped queries
    assert not varlen.takes(*[OnGpu(15, 12, 64, dtype=torch.float32)] * 2)
    assert not varlen.takes(*[OnGpu(15, 12, 20)] * 2)
    assert not varlen.takes(*[OnGpu(15, 12, 512)] * 2)
    assert not varlen.takes(*[torch.zeros(15, 12, 64, dtype=torch.bfloat16)] * 2)  # on a CPU


def off_by_a_column(*arguments, **named):
    return played(*arguments, **named).roll(1, dims=2)


def not_built(*_, **__):
    raise RuntimeError("FlashAttention only supports Ampere GPUs or newer")


@pytest.mark.parametrize(
    ("kernel", "card", "expected"),
    [
        (played, (9, 0), True),
        (played, (7, 5), False),
        (off_by_a_column, (9, 0), False),
        (not_built, (9, 0), False),
        (None, (9, 0), False),
    ],
)
def test_a_card_is_tried_before_it_is_believed(monkeypatch, kernel, card, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: card)
    monkeypatch.setattr(varlen, "kernel", lambda: kernel)
    assert varlen.serves.__wrapped__(torch.device("cpu"), torch.bfloat16, 16) is expected


def test_the_installed_kernel_takes_what_it_is_given():
    """The arguments that are passed are those of the installed torch, or it is not used."""
    if (found := varlen.kernel()) is None:
        pytest.skip("this torch has no such kernel")
    named = dict.fromkeys(("scale", "window_size"))
    inspect.signature(found).bind(*range(7), **named)


def test_a_torch_without_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", None)
    assert varlen.kernel.__wrapped__() is None


@pytest.mark.gpu
@pytest.mark.parametrize("causal", [True, False])
def test_on_a_gpu_the_kernel_is_the_padded_one(causal):
    generator = torch.Generator().manual_seed(0)
    q, k, v = (
        torch.randn(15, 4, 64, generator=generator).bfloat16().cuda().requires_grad_() for _ in range(3)
    )
    attend = RowAttention(causal, None if causal else REAL.cuda(), Packing.of(REAL, q.device))
    if not varlen.takes(q, k):
        pytest.skip("this torch, or this card, has no such kernel")
    found = attend(q, k, v, 8.0)
    found.sum().backward()
    grads = [t.grad.clone() for t in (q, k, v)]
    padded = [attend.packing.unpack(t.detach().float()) for t in (q, k, v)]
    for t in padded:
        t.requires_grad_()
    expected = attend.packing.pack(attend._padded(*padded, 8.0, None))
    expected.sum().backward()
    torch.testing.assert_close(found.float(), expected, rtol=2e-2, atol=2e-2)
    for grad, t in zip(grads, padded, strict=True):
        torch.testing.assert_close(grad.float(), attend.packing.pack(t.grad), rtol=5e-2, atol=5e-2)


@pytest.mark.gpu
def test_on_a_gpu_a_model_uses_it(toy_classifier, toy_labelled, monkeypatch):
    classifier = toy_classifier(Recipe(position="last_real"), "fast", d_model=256, n_head=4).cuda()
    classifier.precision = "bfloat16"
    rows = toy_labelled(20).rows.to(torch.device("cuda"))
    found = predict_logits(classifier, rows)
    monkeypatch.setattr(varlen, "takes", lambda *_: False)
    torch.testing.assert_close(predict_logits(classifier, rows), found, rtol=5e-2, atol=5e-2)
