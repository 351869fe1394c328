"""Batches that arrive late are all there in the end. A double plays the way from a GPU."""

import pytest
import torch
from torch import Tensor

from gptcore.data import rows as batching
from gptcore.engine import outbox
from gptcore.engine.outbox import MOST_ON_THE_WAY, Outbox
from gptcore.engine.trunk import compute_trunk
from gptcore.recipe import Recipe


class SlowWay:
    """Copies only when it is waited for, and overwrites what it left, as a GPU does with memory it has freed."""

    def __init__(self) -> None:
        self.started = self.arrived = self.most = 0

    def __call__(self, tensor: Tensor, _device: torch.device):
        self.started += 1
        self.most = max(self.most, self.started - self.arrived)
        copy = tensor.clone()

        def arrive() -> Tensor:
            self.arrived += 1
            return copy

        return arrive


@pytest.fixture
def way(monkeypatch) -> SlowWay:
    played = SlowWay()
    monkeypatch.setattr(outbox, "fetch", played)
    return played


def test_batches_arrive_in_order_and_few_are_on_the_way(way):
    out = torch.zeros(6, 3, 2)
    box = Outbox(out)
    for i in range(6):
        box.put(torch.tensor([5 - i]), torch.full((1, 2, 2), float(i + 1)))
    assert way.most == MOST_ON_THE_WAY + 1
    assert not out[:2].any()  # not yet
    box.flush()
    assert out[:, 0, 0].tolist() == [6, 5, 4, 3, 2, 1]
    assert not out[:, 2].any()  # of narrower batches


@pytest.mark.parametrize("position", ["last", "last_real"])
def test_a_trunk_waits_for_every_batch(toy_classifier, toy_labelled, monkeypatch, position, request):
    monkeypatch.setattr(batching, "POSITIONS_AT_A_TIME", 20)  # many batches
    classifier, rows = toy_classifier(Recipe(position=position), "fast"), toy_labelled(30).rows
    expected = compute_trunk(classifier, rows, 2).rows.values
    way = request.getfixturevalue("way")
    assert torch.equal(compute_trunk(classifier, rows, 2).rows.values, expected)
    assert way.started == way.arrived > 10


@pytest.mark.gpu
@pytest.mark.parametrize("position", ["last", "last_real"])
def test_a_trunk_on_a_gpu_with_its_states_elsewhere(toy_classifier, toy_labelled, monkeypatch, position):
    monkeypatch.setattr(batching, "POSITIONS_AT_A_TIME", 20)
    monkeypatch.setattr("gptcore.engine.batches.MOST_POSITIONS", 20)
    classifier = toy_classifier(Recipe(position=position), "fast").cuda()
    rows = toy_labelled(30).rows.to(torch.device("cuda"))
    expected = compute_trunk(classifier, rows, 2).rows.values
    out = torch.zeros(expected.shape)
    found = compute_trunk(classifier, rows, 2, out=out).rows
    torch.testing.assert_close(found.values, expected.cpu())
    index = torch.tensor([3, 1], device="cuda")
    torch.testing.assert_close(found.take(index).values, expected[index])
