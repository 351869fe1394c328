"""The loop against one written out step by step, and what it promises: order, restoring, stopping, errors."""

import math

import pytest
import torch
import torch.nn.functional as F

from gptcore.data.rows import epoch_batches
from gptcore.engine.classifier import Classifier
from gptcore.recipe import Recipe
from gptcore.result import Epoch
from gptcore.training.evaluate import evaluate
from gptcore.training.loop import Labelled, Training, lr_factor, train
from gptcore.training.timing import Phases

ENGINES = ["plain", "fast"]
LR = 3e-3


@pytest.fixture
def run(toy_classifier, toy_labelled):
    """Trains a fresh toy classifier by the recipe and returns it with how it went."""

    def trained(
        recipe: Recipe,
        engine: str = "plain",
        order_seed: int = 0,
        n: int = 40,
        validation: Labelled | None = None,
        on_epoch=None,
    ) -> tuple[Classifier, Training]:
        classifier = toy_classifier(recipe, engine)
        validation = validation or toy_labelled(20, seed=1)
        phases = Phases(torch.device("cpu"))
        training = train(classifier, recipe, toy_labelled(n), validation, order_seed, phases, on_epoch)
        return classifier, training

    return trained


@pytest.fixture
def flipped(toy_labelled) -> Labelled:
    """The training rows with the other class: the better the fit, the higher this validation loss."""
    data = toy_labelled(40)
    return Labelled(data.rows, 1 - data.labels)


def weights(classifier: Classifier) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in classifier.named_parameters() if p.requires_grad}


def assert_close(a: Classifier, b: Classifier, **tolerance: float) -> None:
    ours, theirs = weights(a), weights(b)
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], **tolerance)


def same(a: Classifier, b: Classifier) -> bool:
    ours, theirs = weights(a), weights(b)
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def train_by_hand(classifier: Classifier, recipe: Recipe, data: Labelled, order_seed: int) -> list[float]:
    """Every step spelled out: gradients of each batch, their norm, the learning rate, Adam's moments."""
    parameters = [p for p in classifier.parameters() if p.requires_grad]
    first = [torch.zeros_like(p) for p in parameters]
    second = [torch.zeros_like(p) for p in parameters]
    order = torch.Generator().manual_seed(order_seed)
    labels = torch.from_numpy(data.labels)
    epochs = [epoch_batches(len(data), recipe.batch_size, order) for _ in range(recipe.epochs)]
    size = recipe.accumulation
    groups = [epoch[i : i + size] for epoch in epochs for i in range(0, len(epoch), size)]
    losses = []
    for step, group in enumerate(groups):
        grads = [torch.zeros_like(p) for p in parameters]
        group_losses = []
        for batch in group:
            loss = F.cross_entropy(classifier(data.rows.take(batch)), labels[batch])
            group_losses.append(float(loss.detach()))
            for total, grad in zip(grads, torch.autograd.grad(loss, parameters), strict=True):
                total += grad / recipe.accumulation
        losses.append(sum(group_losses) / len(group_losses))
        norm = math.sqrt(sum(float(g.square().sum()) for g in grads))
        if recipe.clip_norm is not None and norm > recipe.clip_norm:
            grads = [g * recipe.clip_norm / (norm + 1e-6) for g in grads]  # as torch does
        lr = recipe.lr
        n_warmup = round(recipe.warmup * len(groups))
        if step < n_warmup:
            lr *= (step + 1) / n_warmup
        elif recipe.schedule == "cosine":
            lr *= (1 + math.cos(math.pi * (step - n_warmup) / (len(groups) - n_warmup))) / 2
        with torch.no_grad():
            for p, g, m, v in zip(parameters, grads, first, second, strict=True):
                p *= 1 - lr * recipe.weight_decay
                m.mul_(0.9).add_(g, alpha=0.1)
                v.mul_(0.999).add_(g * g, alpha=0.001)
                p -= lr * (m / (1 - 0.9 ** (step + 1))) / ((v / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
    return losses


CASES = {
    "as published": {},
    "no decay": {"weight_decay": 0.0},
    "accumulation": {"batch_size": 3, "accumulation": 3},  # 13 batches: 4 groups and one of a single batch
    "warm-up": {"warmup": 0.4},
    "cosine": {"schedule": "cosine", "warmup": 0.2},
    "clipping": {"clip_norm": 0.1},
    "all at once": {
        "batch_size": 5,
        "accumulation": 2,
        "warmup": 0.3,
        "schedule": "cosine",
        "clip_norm": 0.2,
    },
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_step_is_the_one_by_hand(run, toy_classifier, toy_labelled, case, engine):
    recipe = Recipe(lr=LR, epochs=2, position="last_real", **CASES[case])
    by_hand = toy_classifier(recipe)
    expected = train_by_hand(by_hand, recipe, toy_labelled(41), order_seed=5)  # 41: the last row is dropped
    before = toy_classifier(recipe)
    trained, training = run(recipe, engine, order_seed=5, n=41)
    assert len(training.losses) == len(expected)
    assert training.losses == pytest.approx(expected, rel=1e-9)
    assert_close(trained, by_hand, rtol=1e-7, atol=1e-9)
    assert not torch.allclose(trained.head.weight, before.head.weight, atol=LR)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("engine", ENGINES)
def test_accumulated_single_rows_are_a_batch(run, engine):
    """Without padding, eight rows one by one are a batch of eight."""
    common = {"padding": "none", "train": "all", "lr": LR, "epochs": 2}
    batch, losses = run(Recipe(batch_size=8, **common), engine)
    singles, losses_of_singles = run(Recipe(batch_size=1, accumulation=8, **common), engine)
    assert len(losses.losses) == 10
    assert losses_of_singles.losses == pytest.approx(losses.losses, rel=1e-9)
    assert_close(singles, batch, rtol=1e-7, atol=1e-9)


def test_lr_factors():
    constant = Recipe(warmup=0.4)
    assert [lr_factor(constant, step, 10) for step in range(10)] == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1]
    cosine = Recipe(schedule="cosine")
    factors = [lr_factor(cosine, step, 8) for step in range(9)]
    assert factors[0] == 1
    assert factors[4] == pytest.approx(0.5)
    assert factors[8] == pytest.approx(0)
    assert factors == sorted(factors, reverse=True)
    both = Recipe(schedule="cosine", warmup=0.2)
    assert [lr_factor(both, step, 10) for step in (0, 1, 2)] == [0.5, 1, 1]
    assert lr_factor(both, 6, 10) == pytest.approx(0.5)
    assert [lr_factor(Recipe(), step, 3) for step in range(3)] == [1, 1, 1]


def test_a_clipped_gradient_is_small_from_the_first_step(run):
    # Adam divides by the gradient's size, so that clipping shows only where it falls below epsilon.
    common = {"lr": LR, "epochs": 1, "weight_decay": 0.0, "batch_size": 40}
    start = weights(run(Recipe(**common | {"lr": 1e-30}))[0])
    free, clipped = (weights(run(Recipe(**common, clip_norm=norm))[0]) for norm in (None, 1e-10))
    assert max((free[name] - start[name]).abs().max() for name in start) == pytest.approx(LR, rel=0.01)
    assert max((clipped[name] - start[name]).abs().max() for name in start) < 0.02 * LR


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("train_what", ["last_layer", "last_two_blocks", "lora"])
def test_the_same_seeds_give_the_same_bits(run, engine, train_what):
    recipe = Recipe(train=train_what, lr=LR, epochs=2, lora_dropout=0.3)
    first, losses = run(recipe, engine)
    torch.manual_seed(99)
    second, again = run(recipe, engine)
    assert losses.losses == again.losses
    assert same(first, second)
    other, other_losses = run(recipe, engine, order_seed=1)
    assert other_losses.losses != losses.losses
    assert not same(first, other)


def test_the_global_generator_is_left_alone(toy_classifier, toy_labelled):
    recipe = Recipe(train="lora", lora_dropout=0.5, epochs=1)
    classifier, data = toy_classifier(recipe), toy_labelled()
    state = torch.get_rng_state()
    train(classifier, recipe, data, data, 0, Phases(torch.device("cpu")))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("engine", ENGINES)
def test_epochs_say_how_it_went(run, toy_labelled, engine):
    validation = toy_labelled(20, seed=1)
    seen: list[Epoch] = []
    recipe = Recipe(lr=LR, epochs=3, position="last_real")
    classifier, training = run(recipe, engine, n=44, validation=validation, on_epoch=seen.append)
    assert seen == training.epochs
    assert [epoch.epoch for epoch in seen] == [1, 2, 3]
    assert [epoch.step for epoch in seen] == [5, 10, 15]  # 44 rows: five batches of 8, four rows dropped
    assert len(training.losses) == 15
    assert training.best_epoch is None
    assert sorted(epoch.train_s for epoch in seen) == [epoch.train_s for epoch in seen]
    assert not classifier.training
    now = evaluate(classifier, validation.rows, validation.labels)
    assert seen[-1].validation_accuracy == now.accuracy
    assert seen[-1].validation_loss == pytest.approx(now.log_loss)
    assert all(epoch.train_accuracy * 40 == pytest.approx(round(epoch.train_accuracy * 40)) for epoch in seen)


def test_training_accuracy_is_of_the_predictions_on_the_way(run, toy_classifier, toy_labelled):
    recipe = Recipe(lr=1e-30, epochs=1)  # too small to change anything
    _, training = run(recipe)
    data = toy_labelled(40)
    before = evaluate(toy_classifier(recipe), data.rows, data.labels)
    assert training.epochs[0].train_accuracy == before.accuracy
    assert sum(training.losses) / 5 == pytest.approx(before.log_loss, rel=1e-5)


def test_it_learns_what_can_be_learnt(run, toy_labelled):
    recipe = Recipe(train="all", lr=1e-2, epochs=15, position="last_real")
    _, training = run(recipe, n=160, validation=toy_labelled(40, seed=1))
    assert training.epochs[0].validation_accuracy < 0.8
    assert training.epochs[-1].validation_accuracy > 0.8  # chance is 0.5; processors round differently


@pytest.mark.parametrize("patience", [1, 3])
def test_early_stopping_waits_for_its_patience(run, flipped, patience):
    _, training = run(Recipe(train="all", lr=LR, epochs=9, patience=patience), validation=flipped)
    losses = [epoch.validation_loss for epoch in training.epochs]
    best = losses.index(min(losses)) + 1
    assert len(training.epochs) == best + patience < 9
    _, whole = run(Recipe(train="all", lr=LR, epochs=9), validation=flipped)
    assert len(whole.epochs) == 9
    assert whole.losses[: len(training.losses)] == training.losses


@pytest.mark.parametrize("engine", ENGINES)
def test_the_best_epoch_is_restored_bit_for_bit(run, flipped, engine):
    common = {"train": "last_two_blocks", "lr": LR}
    restored, training = run(Recipe(epochs=4, restore_best=True, **common), engine, validation=flipped)
    losses = [epoch.validation_loss for epoch in training.epochs]
    assert training.best_epoch == losses.index(min(losses)) + 1 < 4
    shorter, _ = run(Recipe(epochs=training.best_epoch, **common), engine, validation=flipped)
    longer, _ = run(Recipe(epochs=4, **common), engine, validation=flipped)
    assert same(restored, shorter)
    assert not same(restored, longer)
    assert evaluate(restored, flipped.rows, flipped.labels).log_loss == pytest.approx(min(losses))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loss_that_is_not_finite_names_its_step(run, toy_classifier, toy_labelled, engine):
    recipe = Recipe(epochs=2)
    classifier = toy_classifier(recipe, engine)
    with torch.no_grad():
        classifier.head.bias[0] = math.nan
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 1 \(lr 5e-05\)"):
        train(classifier, recipe, toy_labelled(), toy_labelled(), 0, Phases(torch.device("cpu")))
    with pytest.raises(FloatingPointError, match=r"at step [2-9] \(lr 1e\+38\)"):
        run(Recipe(train="all", lr=1e38), engine)


@pytest.mark.parametrize("restore_best", [False, True])
def test_weights_that_break_in_the_last_step_are_an_error(run, restore_best):
    """Every training loss was finite; what is left is of no use all the same."""
    recipe = Recipe(train="all", lr=1e38, epochs=1, batch_size=40, restore_best=restore_best)
    with pytest.raises(
        FloatingPointError, match=r"validation loss is not finite after epoch 1 \(lr 1e\+38\)"
    ):
        run(recipe)


# --- out of memory ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("fits", [1, 2, 5])
def test_out_of_memory_halves_the_rows_and_changes_no_step(toy_classifier, toy_labelled, monkeypatch, fits):
    recipe = Recipe(train="all", lr=1e-2, epochs=2, batch_size=3, accumulation=2)
    data = toy_labelled(14)
    usual, small = (toy_classifier(recipe, "fast").double() for _ in range(2))
    expected = train(usual, recipe, data, data, 0, Phases(torch.device("cpu")))
    forward = Classifier.forward

    def refuse(self, rows):
        if self.training and len(rows) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, rows)

    monkeypatch.setattr(Classifier, "forward", refuse)
    found = train(small, recipe, data, data, 0, Phases(torch.device("cpu")))
    assert found.losses == pytest.approx(expected.losses, rel=1e-9)
    for name, weight in usual.state_dict().items():
        torch.testing.assert_close(small.state_dict()[name], weight, rtol=1e-9, atol=1e-8)
    at_a_time = {1: 1, 2: 2, 5: 3}[fits]  # six rows a step, halved until it fits
    assert found.notes == [f"out of memory: {at_a_time} rows at a time; a step still takes 6"]
    assert expected.notes == []


def test_a_single_row_that_does_not_fit_fails(toy_classifier, toy_labelled, monkeypatch):
    def refuse(_self, _rows):
        raise torch.OutOfMemoryError("CUDA out of memory")

    recipe, data = Recipe(epochs=1), toy_labelled(8)
    classifier = toy_classifier(recipe)
    monkeypatch.setattr(Classifier, "forward", refuse)
    with pytest.raises(torch.OutOfMemoryError, match="a single row"):
        train(classifier, recipe, data, data, 0, Phases(torch.device("cpu")))
