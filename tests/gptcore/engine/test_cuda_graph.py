"""Recorded steps: the same training as step by step. What CUDA does is played by a double where there is no GPU."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gptcore.data.rows import READ, Rows
from gptcore.engine import cuda_graph as graphed
from gptcore.engine.classifier import Classifier
from gptcore.engine.cuda_graph import WARM_UP, GraphedStep, can_be_graphed
from gptcore.engine.trunk import compute_trunk
from gptcore.recipe import Recipe
from gptcore.training import loop as training
from gptcore.training.loop import Labelled, train
from gptcore.training.timing import Phases

CPU = torch.device("cpu")
Call = Callable[[], tuple[Tensor, ...]]


class Double:
    """Plays the GPU on the CPU: a replay does what was recorded, in place, and passes Python's counters by."""

    def __init__(self) -> None:
        self.n_beside = self.n_recorded = self.n_replayed = 0
        self.classifiers: list[Classifier] = []

    def beside(self, call: Call, _stream: object) -> tuple[Tensor, ...]:
        self.n_beside += 1
        return call()

    def record(self, call: Call, _stream: object) -> Call:
        self.n_recorded += 1
        made: list[Tensor] = []

        def replay() -> tuple[Tensor, ...]:
            self.n_replayed += 1
            counted = [classifier.positions_processed for classifier in self.classifiers]
            found = call()
            for classifier, before in zip(self.classifiers, counted, strict=True):
                classifier.positions_processed = before
            if not made:
                made.extend(found)
            for kept, new in zip(made, found, strict=True):
                kept.copy_(new)
            return tuple(made)

        return replay


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Double:
    played = Double()
    monkeypatch.setattr(GraphedStep, "failure", None)
    monkeypatch.setattr(graphed, "_new_stream", lambda: None)
    monkeypatch.setattr(graphed, "_beside", played.beside)
    monkeypatch.setattr(graphed, "_record", played.record)
    return played


def refuse(_call: Call, _stream: object) -> Call:
    try:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")
    except RuntimeError:
        raise RuntimeError("the capture was invalidated")  # noqa: B904  (as torch does when a capture ends)


def test_steps_are_warmed_up_then_recorded_once(double: Double) -> None:
    seen: list[list[int]] = []

    def step(rows: Tensor) -> tuple[Tensor, ...]:
        seen.append(rows.tolist())
        return (rows.sum(),)

    take = GraphedStep()
    made = [take(step, torch.tensor([i, i + 1])) for i in range(WARM_UP + 3)]
    assert [int(total) for (total,) in made] == [2 * i + 1 for i in range(WARM_UP + 3)]  # none overwritten
    assert seen == [[i, i + 1] for i in range(WARM_UP + 3)]
    assert (double.n_beside, double.n_recorded, double.n_replayed) == (WARM_UP, 1, 3)
    assert GraphedStep.failure is None


def add_up(rows: Tensor) -> tuple[Tensor, ...]:
    return (rows.sum(),)


def test_another_number_of_rows_is_taken_kernel_by_kernel(double: Double) -> None:
    take = GraphedStep()
    for _ in range(WARM_UP + 1):
        take(add_up, torch.tensor([1, 2]))
    assert take(add_up, torch.tensor([5]))[0] == 5
    assert take(add_up, torch.tensor([3, 4]))[0] == 7
    assert double.n_replayed == 2


def test_a_recording_that_fails_is_told_and_never_tried_again(
    double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphed, "_record", refuse)
    taken: list[int] = []

    def step(rows: Tensor) -> tuple[Tensor, ...]:
        taken.append(int(rows[0]))
        return (rows,)

    take = GraphedStep()
    for i in range(WARM_UP + 3):
        take(step, torch.tensor([i]))
    assert taken == list(range(WARM_UP + 3))
    assert GraphedStep.failure == "operation not permitted when stream is capturing"
    assert double.n_beside == WARM_UP
    another = GraphedStep()
    for i in range(WARM_UP + 3):
        another(step, torch.tensor([i]))
    assert double.n_beside == WARM_UP
    assert taken == 2 * list(range(WARM_UP + 3))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "changes",
    [
        {"train": "last_block"},
        {"train": "all"},
        {"train": "lora", "schedule": "cosine", "warmup": 0.2},
        {"train": "last_block", "accumulation": 2, "clip_norm": 0.5},
        {"train": "last_block", "accumulation": 3},  # groups of 9 and of 3 rows
        {"train": "last_block", "position": "last_real", "batch_size": 50},
    ],
)
def test_training_is_the_same(toy_classifier, toy_labelled, monkeypatch, double, changes):
    recipe = Recipe(**{"lr": 1e-2, "epochs": 3, "batch_size": 3, **changes})
    data, validation = toy_labelled(14), toy_labelled(9, seed=1)
    usual, recorded = (toy_classifier(recipe, "fast").double() for _ in range(2))
    expected = train(usual, recipe, data, validation, 0, Phases(CPU))
    monkeypatch.setattr(training, "can_be_graphed", lambda *_: True)
    double.classifiers = [recorded]
    found = train(recorded, recipe, data, validation, 0, Phases(CPU))
    assert double.n_replayed == (
        0 if recipe.batch_size == 50 else found.epochs[-1].step - WARM_UP - n_other(recipe)
    )
    assert found.notes == []
    # The rate is a tensor in float32 where steps are recorded.
    assert found.losses == pytest.approx(expected.losses, rel=1e-6)
    for name, weight in usual.state_dict().items():
        torch.testing.assert_close(recorded.state_dict()[name], weight, rtol=1e-6, atol=1e-7)
    if not usual.layout.drop_padding:
        assert recorded.positions_processed == usual.positions_processed


def n_other(recipe: Recipe) -> int:
    """Steps of the 14 rows that take another number of rows: the last of each epoch, where the group is smaller."""
    return 0 if (14 // recipe.batch_size) % recipe.accumulation == 0 else recipe.epochs


@pytest.mark.usefixtures("double")
def test_a_failure_is_in_the_notes(toy_classifier, toy_labelled, monkeypatch):
    recipe = Recipe(epochs=2, batch_size=3)
    data = toy_labelled(14)
    monkeypatch.setattr(graphed, "_record", refuse)
    monkeypatch.setattr(training, "can_be_graphed", lambda *_: True)
    found = train(toy_classifier(recipe, "fast"), recipe, data, data, 0, Phases(CPU))
    said = "operation not permitted when stream is capturing"
    assert found.notes == [f"no CUDA graph ({said}): kernels were launched one by one"]


def test_what_can_be_graphed(toy_classifier, toy_labelled) -> None:
    cuda = torch.device("cuda")
    rows = toy_labelled(4).rows
    states = Rows(torch.zeros(4, 8, 2), rows.lengths, "right", 1)
    elsewhere = replace(states, values=torch.zeros(4, 8, 2, device="meta"))
    last, text_only = (
        toy_classifier(Recipe(position=position), "fast") for position in ("last", "last_real")
    )
    assert can_be_graphed(last, rows, cuda)
    assert can_be_graphed(last, states, cuda)
    assert can_be_graphed(text_only, Rows(torch.zeros(4, 2), rows.lengths, depth=READ), cuda)
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
    assert classifier.layout.drop_padding
    rows = compute_trunk(classifier, toy_labelled(12).rows, depth=1).rows
    index = torch.tensor([3, 0, 7])
    with torch.no_grad():
        cut = classifier(rows.take(index))
        classifier.layout = replace(classifier.layout, drop_padding=False)
        torch.testing.assert_close(classifier(rows.take(index)), cut)


@pytest.mark.gpu
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("how", ["last_block", "all", "lora"])
def test_on_a_gpu_recorded_training_is_the_same(
    toy_classifier, toy_labelled, monkeypatch, how, frozen
) -> None:
    cuda = torch.device("cuda")
    recipe = Recipe(
        **{"train": how, "lr": 1e-3, "epochs": 4, "batch_size": 3, "accumulation": 3, "clip_norm": 0.5},
        **{"schedule": "cosine", "warmup": 0.2},
    )
    data = toy_labelled(26)  # groups of 9, 9 and 6 rows
    usual, recorded = (toy_classifier(recipe, "fast").to(cuda) for _ in range(2))
    rows = data.rows.to(cuda)
    on_gpu = Labelled(
        compute_trunk(usual, rows, 1).rows if frozen and how == "last_block" else rows, data.labels
    )
    replays = []
    record = graphed._record

    def counted(call: Call, stream: torch.cuda.Stream) -> Call:
        replay = record(call, stream)
        return lambda: (replays.append(1), replay())[1]

    monkeypatch.setattr(graphed, "_record", counted)
    found = train(recorded, recipe, on_gpu, on_gpu, 0, Phases(cuda))
    assert found.notes == []
    assert len(replays) == 8 - WARM_UP
    counted_positions = recorded.positions_processed
    monkeypatch.setattr(training, "can_be_graphed", lambda *_: False)
    start = usual.positions_processed
    expected = train(usual, recipe, on_gpu, on_gpu, 0, Phases(cuda))
    assert counted_positions == usual.positions_processed - start
    assert found.losses == pytest.approx(expected.losses, rel=1e-4)
    for name, weight in usual.state_dict().items():
        torch.testing.assert_close(recorded.state_dict()[name], weight, rtol=1e-3, atol=1e-4)
