"""Recorded steps: the same training as step by step. What CUDA does is played by a double where there is no GPU."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gptcore.finetune import graphed
from gptcore.finetune import train as training
from gptcore.finetune.graphed import WARM_UP, GraphedStep, can_be_graphed
from gptcore.finetune.recipe import Recipe
from gptcore.finetune.timing import Phases
from gptcore.finetune.train import Labelled, train
from gptcore.finetune.trunk import FeatureRows, StateRows, compute_trunk

CPU = torch.device("cpu")
Call = Callable[[], tuple[Tensor, ...]]


class Double:
    """Plays the GPU on the CPU: a recording does nothing, and every replay does what was recorded, in place."""

    def __init__(self) -> None:
        self.n_beside = self.n_recorded = self.n_replayed = 0

    def beside(self, call: Call) -> tuple[Tensor, ...]:
        self.n_beside += 1
        return call()

    def record(self, call: Call) -> Call:
        self.n_recorded += 1
        made: list[Tensor] = []

        def replay() -> tuple[Tensor, ...]:
            self.n_replayed += 1
            found = call()
            if not made:
                made.extend(found)
            for kept, new in zip(made, found, strict=True):
                kept.copy_(new)
            return tuple(made)

        return replay


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Double:
    played = Double()
    monkeypatch.setattr(graphed, "_beside", played.beside)
    monkeypatch.setattr(graphed, "_record", played.record)
    return played


def test_steps_are_warmed_up_then_recorded_once(double: Double) -> None:
    seen: list[list[int]] = []

    def step(rows: Tensor) -> tuple[Tensor, ...]:
        seen.append(rows.tolist())
        return (rows.sum(),)

    take = GraphedStep(step)
    made = [take(torch.tensor([i, i + 1])) for i in range(WARM_UP + 3)]
    assert [int(total) for (total,) in made] == [2 * i + 1 for i in range(WARM_UP + 3)]  # none overwritten
    assert seen == [[i, i + 1] for i in range(WARM_UP + 3)]
    assert (double.n_beside, double.n_recorded, double.n_replayed) == (WARM_UP, 1, 3)
    assert take.failure is None


def test_another_number_of_rows_is_taken_kernel_by_kernel(double: Double) -> None:
    take = GraphedStep(lambda rows: (rows.sum(),))
    for _ in range(WARM_UP + 1):
        take(torch.tensor([1, 2]))
    assert take(torch.tensor([5]))[0] == 5
    assert take(torch.tensor([3, 4]))[0] == 7
    assert double.n_replayed == 2


def test_a_recording_that_fails_is_told_and_no_step_is_lost(
    double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_call: Call) -> Call:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(graphed, "_record", refuse)
    taken: list[int] = []

    def step(rows: Tensor) -> tuple[Tensor, ...]:
        taken.append(int(rows[0]))
        return (rows,)

    take = GraphedStep(step)
    for i in range(WARM_UP + 3):
        take(torch.tensor([i]))
    assert taken == list(range(WARM_UP + 3))
    assert take.failure == "operation not permitted when stream is capturing"
    assert double.n_beside == WARM_UP


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "changes",
    [
        {"train": "last_block"},
        {"train": "all"},
        {"train": "lora", "schedule": "cosine", "warmup": 0.2},
        {"train": "last_block", "accumulation": 2, "clip_norm": 0.5},
        {"train": "last_block", "position": "last_real", "batch_size": 50},
    ],
)
def test_training_is_the_same(toy_classifier, toy_labelled, monkeypatch, double, changes):
    recipe = Recipe(**{"lr": 1e-2, "epochs": 3, "batch_size": 3, **changes})
    data, validation = toy_labelled(14), toy_labelled(9, seed=1)
    usual, recorded = (toy_classifier(recipe, "fast").double() for _ in range(2))
    expected = train(usual, recipe, data, validation, 0, Phases(CPU))
    monkeypatch.setattr(training, "can_be_graphed", lambda *_: True)
    found = train(recorded, recipe, data, validation, 0, Phases(CPU))
    assert double.n_replayed == (
        0 if recipe.batch_size == 50 else found.epochs[-1].step - WARM_UP - n_other(recipe)
    )
    assert found.notes == []
    # The rate is a tensor in float32 where steps are recorded.
    assert found.losses == pytest.approx(expected.losses, rel=1e-6)
    for name, weight in usual.state_dict().items():
        torch.testing.assert_close(recorded.state_dict()[name], weight, rtol=1e-6, atol=1e-7)
    assert recorded.positions_processed == usual.positions_processed


def n_other(recipe: Recipe) -> int:
    """Steps of the 14 rows that take another number of rows: the last of each epoch, where the group is smaller."""
    return 0 if (14 // recipe.batch_size) % recipe.accumulation == 0 else recipe.epochs


@pytest.mark.usefixtures("double")
def test_a_failure_is_in_the_notes(toy_classifier, toy_labelled, monkeypatch):
    recipe = Recipe(epochs=2, batch_size=3)
    data = toy_labelled(14)

    def refuse(_call: Call) -> Call:
        raise RuntimeError("no capture here")

    monkeypatch.setattr(graphed, "_record", refuse)
    monkeypatch.setattr(training, "can_be_graphed", lambda *_: True)
    found = train(toy_classifier(recipe, "fast"), recipe, data, data, 0, Phases(CPU))
    assert found.notes == ["no CUDA graph (no capture here): kernels were launched one by one"]


def test_what_can_be_graphed(toy_classifier, toy_labelled) -> None:
    cuda = torch.device("cuda")
    rows = toy_labelled(4).rows
    states = StateRows(torch.zeros(4, 8, 2), rows.lengths, "right", 1)
    elsewhere = replace(states, states=torch.zeros(4, 8, 2, device="meta"))
    last, text_only = (
        toy_classifier(Recipe(position=position), "fast") for position in ("last", "last_real")
    )
    assert can_be_graphed(last, rows, cuda)
    assert can_be_graphed(last, states, cuda)
    assert can_be_graphed(text_only, FeatureRows(torch.zeros(4, 2), rows.lengths), cuda)
    assert not can_be_graphed(last, rows, CPU)
    assert not can_be_graphed(last, elsewhere, cuda)  # in a mapped file
    assert not can_be_graphed(text_only, rows, cuda)  # cut to the longest of the batch
    assert not can_be_graphed(text_only, states, cuda)
    assert not can_be_graphed(toy_classifier(Recipe(), "plain"), rows, cuda)


@pytest.mark.parametrize(
    "changes",
    [
        {"position": "last_real"},
        {"position": "mean_real"},
        {"padding": "none"},
        {"attend_padding": False},
        {"attend_padding": False, "attention": "bidirectional", "position": "mean_real"},
    ],
)
def test_states_at_full_width_say_the_same(toy_classifier, toy_labelled, changes) -> None:
    """As on a GPU, where the width stays so that steps have one shape: what is cut on the CPU is never seen."""
    recipe = Recipe(train="last_block", **changes)
    classifier = toy_classifier(recipe, "fast").eval()
    assert classifier.view.trim
    rows = compute_trunk(classifier, toy_labelled(12).rows, depth=1).rows
    index = torch.tensor([3, 0, 7])
    with torch.no_grad():
        cut = classifier(rows.rows(index))
        classifier.view = replace(classifier.view, trim=False)
        torch.testing.assert_close(classifier(rows.rows(index)), cut)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("how", ["last_block", "all", "lora"])
def test_on_a_gpu_recorded_training_is_the_same(toy_classifier, toy_labelled, monkeypatch, how) -> None:
    recipe = Recipe(train=how, lr=1e-3, epochs=3, batch_size=3)
    data = toy_labelled(14)
    on_gpu = Labelled(data.rows.to(torch.device("cuda")), data.labels)
    usual, recorded = (toy_classifier(recipe, "fast").cuda() for _ in range(2))
    found = train(recorded, recipe, on_gpu, on_gpu, 0, Phases(torch.device("cuda")))
    assert found.notes == []
    monkeypatch.setattr(training, "can_be_graphed", lambda *_: False)
    expected = train(usual, recipe, on_gpu, on_gpu, 0, Phases(torch.device("cuda")))
    assert found.losses == pytest.approx(expected.losses, rel=1e-4)
