"""Rows at a time without gradients: by memory on a GPU, in halves where it runs out."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from gptcore.data import rows as batching
from gptcore.data.rows import batches_by_length
from gptcore.engine import batches
from gptcore.engine.batches import MOST_POSITIONS, positions_at_a_time, run_batches
from gptcore.engine.trunk import compute_trunk
from gptcore.recipe import Recipe
from gptcore.training.evaluate import predict_logits


@pytest.fixture
def classifier(toy_classifier):
    return toy_classifier(Recipe(position="last_real"), "fast")


class SmallMemory:
    """A block of a model that has room for so many positions only, packed (N, d) or padded (B, T, d)."""

    def __init__(self, monkeypatch, classifier, positions: int, block: int = 0):
        self.refused, self.ran = 0, []
        module = classifier.backbone.blocks[block]
        forward = module.forward

        def limited(x: Tensor, *others: object, **named: object) -> Tensor:
            n = x.shape[:-1].numel()
            if n > positions:
                self.refused += 1
                raise torch.OutOfMemoryError("CUDA out of memory")
            self.ran.append(n)
            return forward(x, *others, **named)

        monkeypatch.setattr(module, "forward", limited)


def test_halves_from_where_memory_ran_out(classifier):
    ran: list[list[int]] = []

    def run(index: Tensor) -> None:
        classifier.positions_processed += len(index)
        if len(index) > 3:
            raise torch.OutOfMemoryError("no room")
        ran.append(index.tolist())

    run_batches(classifier, torch.arange(18).split(9), run)
    assert ran == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11], [12, 13, 14], [15, 16, 17]]
    assert classifier.positions_processed == 18  # what was given up is not counted


def test_one_of_several_processes_never_takes_fewer(classifier, monkeypatch):
    def run(_index: Tensor) -> None:
        raise torch.OutOfMemoryError("no room")

    classifier.n_processes = 2
    with pytest.raises(torch.OutOfMemoryError, match="no room"):
        run_batches(classifier, torch.arange(6).split(3), run)
    monkeypatch.setattr(type(classifier), "device", property(lambda _self: torch.device("cuda")))
    assert positions_at_a_time(classifier) == 2 * batching.POSITIONS_AT_A_TIME  # whatever is free there


def test_a_single_row_that_is_too_much_is_an_error(classifier):
    def run(_index: Tensor) -> None:
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError, match="no room"):
        run_batches(classifier, [torch.arange(4)], run)


@pytest.mark.parametrize("engine", ["plain", "fast"])
def test_predictions_in_halves_are_the_same(toy_classifier, toy_labelled, monkeypatch, engine):
    classifier = toy_classifier(Recipe(position="last_real"), engine)
    rows = toy_labelled(40).rows
    expected = predict_logits(classifier, rows)
    counted = classifier.positions_processed
    memory = SmallMemory(monkeypatch, classifier, positions=50)
    torch.testing.assert_close(predict_logits(classifier, rows), expected)
    assert classifier.positions_processed == 2 * counted
    assert memory.refused
    assert max(memory.ran) <= 50


@pytest.mark.parametrize("position", ["last", "last_real"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_trunk_in_halves_is_the_same(toy_classifier, toy_labelled, monkeypatch, position, depth):
    classifier = toy_classifier(Recipe(position=position), "fast")
    rows = toy_labelled(40).rows
    expected = compute_trunk(classifier, rows, depth)
    counted = classifier.positions_processed
    memory = SmallMemory(monkeypatch, classifier, positions=50)
    found = compute_trunk(classifier, rows, depth)
    # Padding is not computed where it is dropped, and what stands there is never read.
    read = rows.real if classifier.layout.drop_padding and depth < 3 else slice(None)
    torch.testing.assert_close(found.rows.values[read], expected.rows.values[read])
    assert classifier.positions_processed == 2 * counted
    assert memory.refused


def test_few_positions_on_a_cpu(classifier, monkeypatch):
    monkeypatch.setattr(batching, "POSITIONS_AT_A_TIME", 77)
    assert positions_at_a_time(classifier) == 77


@pytest.mark.parametrize(
    ("free_bytes", "expected"),
    [(0, 2048), (2**30, 69905), (2**40, MOST_POSITIONS)],  # 0.1 x 2^30 / (4 x 24 x 16) at width 16
)
def test_on_a_gpu_as_many_as_fit(classifier, monkeypatch, free_bytes, expected):
    on_gpu = SimpleNamespace(
        device=torch.device("cuda"),
        n_processes=1,
        backbone=classifier.backbone,
    )
    monkeypatch.setattr(batches, "free_bytes", lambda _device: free_bytes)
    assert positions_at_a_time(on_gpu) == expected


def test_batches_of_so_many_positions():
    lengths = torch.tensor([1, 2, 3, 4])
    found = [len(batch) for batch in batches_by_length(lengths, 4, True, positions=6)]
    assert found == [2, 1, 1]
    assert len(list(batches_by_length(lengths, 4, False, positions=16))) == 1
