"""The training loop: a classifier and rows in, losses and epochs out. Nothing is written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gptcore.data.batching import TokenRows, epoch_batches
from gptcore.finetune.classifier import Classifier
from gptcore.finetune.evaluate import evaluate
from gptcore.finetune.recipe import Recipe
from gptcore.finetune.timing import Phases
from gptcore.finetune.trainable import trained_parameters


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows of tokens and their classes. labels: (N,) int64 numpy."""

    rows: TokenRows
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device) -> Labelled:
        """The same with its rows on another device."""
        return Labelled(self.rows.to(device), self.labels)


@dataclass(frozen=True)
class Epoch:
    """State at the end of one epoch; train_s: seconds in the training phase since the first step."""

    epoch: int
    step: int
    train_accuracy: float
    validation_accuracy: float
    validation_loss: float
    train_s: float


@dataclass
class Training:
    """How training went. losses: mean loss of each optimiser step."""

    losses: list[float] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    best_epoch: int | None = None


def train(
    classifier: Classifier,
    data: Labelled,
    validation: Labelled,
    order_seed: int,
    phases: Phases,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Training:
    """Train the marked parameters by the classifier's recipe, in place.

    Raises FloatingPointError when the loss is no longer finite.
    """
    recipe = classifier.recipe
    parameters = trained_parameters(classifier)
    optimiser = torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)
    order = torch.Generator().manual_seed(order_seed)
    steps_per_epoch = math.ceil(len(epoch_batches(len(data), recipe.batch_size, order)) / recipe.accumulation)
    order.manual_seed(order_seed)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: lr_factor(recipe, step, steps_per_epoch * recipe.epochs)
    )
    labels = torch.from_numpy(np.array(data.labels)).to(data.rows.tokens.device)
    result = Training()
    best = _Best(classifier)
    classifier.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(order_seed)  # for dropout
        for epoch in range(1, recipe.epochs + 1):
            with phases("train"):
                losses, n_correct, n_seen = _train_epoch(
                    classifier, data.rows, labels, order, optimiser, schedule, parameters
                )
            result.losses += losses
            if not math.isfinite(sum(losses)):
                step = len(result.losses) - len(losses) + next(
                    i for i, loss in enumerate(losses, 1) if not math.isfinite(loss)
                )
                raise FloatingPointError(f"the training loss is not finite at step {step} (lr {recipe.lr:g})")
            with phases("evaluate"):
                seen = evaluate(classifier, validation.rows, validation.labels)
            result.epochs.append(
                Epoch(
                    epoch=epoch,
                    step=len(result.losses),
                    train_accuracy=n_correct / n_seen,
                    validation_accuracy=seen.accuracy,
                    validation_loss=seen.log_loss,
                    train_s=phases.seconds["train"],
                )
            )
            if on_epoch is not None:
                on_epoch(result.epochs[-1])
            best.update(epoch, seen.log_loss)
            if recipe.patience is not None and epoch - best.epoch >= recipe.patience:
                break
    if recipe.restore_best:
        best.restore()
        result.best_epoch = best.epoch
    classifier.eval()
    return result


def lr_factor(recipe: Recipe, step: int, n_steps: int) -> float:
    """Share of `lr` at a step (from 0): linear warm-up, then constant, or half a cosine to zero."""
    n_warmup = round(recipe.warmup * n_steps)
    if step < n_warmup:
        return (step + 1) / n_warmup
    if recipe.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - n_warmup) / max(1, n_steps - n_warmup)))


def _train_epoch(
    classifier: Classifier,
    rows: TokenRows,
    labels: Tensor,
    order: torch.Generator,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    parameters: list[torch.nn.Parameter],
) -> tuple[list[float], int, int]:
    """One epoch: the loss of each optimiser step, right predictions and predictions made on the way."""
    recipe = classifier.recipe
    batches = epoch_batches(len(rows), recipe.batch_size, order)
    losses: list[Tensor] = []
    correct = torch.zeros((), dtype=torch.int64, device=labels.device)
    for start in range(0, len(batches), recipe.accumulation):
        group = batches[start : start + recipe.accumulation]
        step_loss = torch.zeros((), device=labels.device)
        for batch in group:
            index = batch.to(labels.device)
            logits = classifier(rows.rows(index))
            # As published, also a last, smaller group divides by the full accumulation.
            loss = F.cross_entropy(logits, labels[index]) / recipe.accumulation
            loss.backward()
            step_loss += loss.detach()
            correct += (logits.detach().argmax(dim=1) == labels[index]).sum()
        if recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(step_loss * recipe.accumulation / len(group))
    n_seen = sum(len(batch) for batch in batches)
    return torch.stack(losses).tolist(), int(correct), n_seen


class _Best:
    """The epoch of lowest validation loss, and its weights where they may be asked for."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self.epoch = 0
        self.loss = math.inf
        self.weights: list[Tensor] = []

    def update(self, epoch: int, loss: float) -> None:
        if loss < self.loss:
            self.epoch, self.loss = epoch, loss
            if self.classifier.recipe.restore_best:
                self.weights = [p.detach().clone() for p in trained_parameters(self.classifier)]

    def restore(self) -> None:
        with torch.no_grad():
            for parameter, weight in zip(trained_parameters(self.classifier), self.weights, strict=True):
                parameter.copy_(weight)
