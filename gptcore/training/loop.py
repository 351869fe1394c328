"""The training loop: a classifier and rows in, losses and epochs out. Nothing is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gptcore.data.rows import Rows, epoch_batches, moved
from gptcore.engine.classifier import Classifier
from gptcore.engine.cuda_graph import GraphedStep, can_be_graphed
from gptcore.recipe import Recipe
from gptcore.result import Epoch, Evaluation
from gptcore.training.criterion import score
from gptcore.training.evaluate import evaluate
from gptcore.training.timing import Phases


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows and their classes. labels: (N,) int64 numpy; weights: (N,) of each in the loss, None: all alike."""

    rows: Rows
    labels: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Training:
    """How training went.

    validation: of the weights that it ends with; losses: mean loss of each optimiser step; notes: what had to be
    done otherwise.
    """

    validation: Evaluation
    losses: list[float]
    epochs: list[Epoch]
    best_epoch: int | None
    notes: list[str]


def train(
    classifier: Classifier,
    recipe: Recipe,
    data: Labelled,
    validation: Labelled,
    order_seed: int,
    phases: Phases,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Training:
    """Train the marked parameters by the recipe, in place.

    Raises FloatingPointError when the loss is no longer finite.
    """
    loop = _Loop(classifier, recipe, data, order_seed)
    best = _Best(classifier.trained_parameters(), recipe)
    losses: list[float] = []
    epochs: list[Epoch] = []
    classifier.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(order_seed)  # for dropout
        for epoch in range(1, recipe.epochs + 1):
            with phases("train"):
                epoch_losses, accuracy = loop.epoch()
            losses += epoch_losses
            _check_finite(losses, recipe)
            with phases("evaluate"):
                seen = evaluate(classifier, validation.rows, validation.labels)
                loss = seen.weighted_loss(validation.weights)
            if not math.isfinite(loss):  # the epoch's last step has broken the weights
                raise FloatingPointError(
                    f"the validation loss is not finite after epoch {epoch} (lr {recipe.lr:g})"
                )
            epochs.append(
                Epoch(
                    epoch=epoch,
                    step=len(losses),
                    train_accuracy=accuracy,
                    validation_accuracy=seen.accuracy,
                    validation_loss=loss,
                    train_s=phases.seconds["train"],
                )
            )
            if on_epoch is not None:
                on_epoch(epochs[-1])
            best.update(epoch, seen, loss)
            if recipe.patience is not None and epoch - best.epoch >= recipe.patience:
                break
    if recipe.restore_best:
        best.restore()
        seen = best.seen or seen
    classifier.eval()
    return Training(
        validation=seen,
        losses=losses,
        epochs=epochs,
        best_epoch=best.epoch if recipe.restore_best else None,
        notes=loop.notes,
    )


def planned_steps(recipe: Recipe, n_rows: int) -> int:
    """Optimiser steps of all epochs on that many training rows."""
    n_batches = max(1, n_rows // recipe.batch_size)
    return math.ceil(n_batches / recipe.accumulation) * recipe.epochs


def total_decay(recipe: Recipe, n_rows: int, n_done: int) -> float:
    """What weight decay alone has made of a weight, as a factor, after `n_done` steps."""
    n_steps = planned_steps(recipe, n_rows)
    return math.prod(
        1 - recipe.lr * lr_factor(recipe, step, n_steps) * recipe.weight_decay for step in range(n_done)
    )


def lr_factor(recipe: Recipe, step: int, n_steps: int) -> float:
    """Share of `lr` at a step (from 0): linear warm-up, then constant, or half a cosine to zero."""
    n_warmup = round(recipe.warmup * n_steps)
    if step < n_warmup:
        return (step + 1) / n_warmup
    if recipe.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - n_warmup) / max(1, n_steps - n_warmup)))


class _Loop:
    """AdamW over shuffled batches, with accumulation, schedule and clipping."""

    def __init__(self, classifier: Classifier, recipe: Recipe, data: Labelled, order_seed: int) -> None:
        self.classifier, self.recipe, self.rows = classifier, recipe, data.rows
        self.parameters = classifier.trained_parameters()
        self.device = self.parameters[0].device
        self.labels = torch.from_numpy(np.array(data.labels)).to(self.device)
        self.weights = None
        if data.weights is not None:
            self.weights = torch.from_numpy(np.array(data.weights)).to(self.device)
        self.order = torch.Generator().manual_seed(order_seed)
        # As published, also a last, smaller group divides by the full accumulation.
        self.rows_in_step = min(recipe.batch_size, len(data)) * recipe.accumulation
        self.max_micro_batch: int | None = (
            None  # that go through the model at a time, once memory has run out
        )
        self.n_steps, self.n_done = planned_steps(recipe, len(data)), 0
        graphed = can_be_graphed(classifier, data.rows, self.device)
        self.optimiser = torch.optim.AdamW(
            self.parameters,
            # What is recorded reads the rate where it lies, so it must lie on the GPU.
            lr=torch.tensor(recipe.lr, dtype=torch.float32, device=self.device) if graphed else recipe.lr,
            weight_decay=recipe.weight_decay,
            fused=True,
            capturable=graphed,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: lr_factor(recipe, step, self.n_steps)
        )
        self.graphed = GraphedStep() if graphed else None

    def epoch(self) -> tuple[list[float], float]:
        """One epoch: the loss of each optimiser step, and the accuracy of the predictions made on the way."""
        # Rows in a mapped file are picked by the CPU: an index on the GPU would have to be waited for.
        where = self.rows.values.device
        batches = [
            moved(batch, where) for batch in epoch_batches(len(self.rows), self.recipe.batch_size, self.order)
        ]
        steps = [
            self._step(batches[start : start + self.recipe.accumulation])
            for start in range(0, len(batches), self.recipe.accumulation)
        ]
        losses, correct = zip(*steps, strict=True)
        n_seen = sum(len(batch) for batch in batches)
        return torch.stack(losses).tolist(), float(torch.stack(correct).sum()) / n_seen

    @property
    def notes(self) -> list[str]:
        """What memory or the GPU did not allow, a line each."""
        found = []
        if self.max_micro_batch is not None:
            found.append(
                f"out of memory: {self.max_micro_batch} rows at a time; a step still takes "
                f"{self.recipe.batch_size * self.recipe.accumulation}"
            )
        if self.graphed and self.graphed.failure:
            found.append(f"no CUDA graph ({self.graphed.failure}): kernels were launched one by one")
        return found

    def _step(self, group: list[Tensor]) -> tuple[Tensor, Tensor]:
        """One optimiser step on the batches of a group: their mean loss, and how many predictions were right."""
        parts = [torch.cat(group)] if self.classifier.layout.whole_steps else group
        if self.graphed:
            total, correct = self._graph_step(self.graphed, parts[0])
        else:
            total, correct = self._optimizer_step(parts)
        self.schedule.step()
        self.n_done += 1
        return total / sum(len(part) for part in group), correct

    def _graph_step(self, graphed: GraphedStep, rows: Tensor) -> tuple[Tensor, ...]:
        """A step that may pass Python by: what Python counts is set. All rows have the same width."""
        before = self.classifier.positions_processed
        made = graphed(lambda part: self._optimizer_step([part]), rows)
        self.classifier.positions_processed = before + len(rows) * self.rows.width
        return made

    def _optimizer_step(self, parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The gradients of all parts and the optimiser's step: sum of the losses, right predictions."""
        counted = self.classifier.positions_processed
        while True:
            self.optimiser.zero_grad(set_to_none=True)
            try:
                total, correct = self._gradients(parts)
                break
            except torch.OutOfMemoryError:
                if self.classifier.n_processes > 1:  # the others would go on without it
                    raise
                self.classifier.positions_processed = counted
                self._halve_micro_batch(parts)
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_norm)
        self.optimiser.step()
        self.classifier.adapter.after_step(self.n_done + 1, self.n_steps)
        self.optimiser.zero_grad(set_to_none=True)  # evaluation has no use for them
        return total, correct

    def _gradients(self, parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Add up the gradients of the parts: the sum of the losses, and how many predictions were right."""
        total = torch.zeros((), device=self.device)
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        if (extra := self.classifier.adapter.extra_loss()) is not None:
            extra.backward()
        mean_weight = self._mean_weight(parts)
        for part in parts:
            for rows in part.split(self.max_micro_batch or len(part)):
                labels = self.labels[moved(rows, self.device)]
                logits = self.classifier(self.rows.take(rows))
                loss = self._loss(logits, labels, rows, mean_weight)
                (loss / self.rows_in_step).backward()
                total += loss.detach()
                correct += (logits.detach().argmax(dim=1) == labels).sum()
        return total, correct

    def _mean_weight(self, parts: Sequence[Tensor]) -> Tensor | None:
        """Of the rows of a step. Divided by it, their weights make the step's loss their weighted mean.

        So accumulated batches count as one large batch, and each text as its class says, whatever batch it is in.
        """
        return (
            None if self.weights is None else self.weights[moved(torch.cat(list(parts)), self.device)].mean()
        )

    def _loss(self, logits: Tensor, labels: Tensor, rows: Tensor, mean_weight: Tensor | None) -> Tensor:
        """Sum of the losses of these rows of the training set, each with its share of the mean weight."""
        if self.weights is None or mean_weight is None:
            return F.cross_entropy(logits, labels, reduction="sum")
        shares = (self.weights[moved(rows, self.device)] / mean_weight).to(logits.dtype)
        return F.cross_entropy(logits, labels, reduction="none") @ shares

    def _halve_micro_batch(self, parts: Sequence[Tensor]) -> None:
        """From now on at most half as many rows at a time, which changes no sum. Raises where it was one row."""
        at_a_time = self.max_micro_batch or max(len(part) for part in parts)
        if at_a_time == 1:
            raise torch.OutOfMemoryError("out of memory with a single row: no smaller step is possible")
        self.max_micro_batch = (at_a_time + 1) // 2


def _check_finite(losses: list[float], recipe: Recipe) -> None:
    for step, loss in enumerate(losses, start=1):
        if not math.isfinite(loss):
            raise FloatingPointError(f"the training loss is {loss} at step {step} (lr {recipe.lr:g})")


class _Best:
    """The best epoch, of equals that of lower loss, then the earlier; its weights where they may be asked for."""

    def __init__(self, parameters: list[torch.nn.Parameter], recipe: Recipe) -> None:
        self.parameters, self.recipe = parameters, recipe
        self.epoch, self.rank = 0, (-math.inf, -math.inf)
        self.seen: Evaluation | None = None
        self.weights: list[Tensor] = []

    def update(self, epoch: int, seen: Evaluation, loss: float) -> None:
        rank = score(self.recipe.best_by, seen, loss), -loss
        if rank > self.rank:
            self.epoch, self.seen, self.rank = epoch, seen, rank
            if self.recipe.restore_best:
                self.weights = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def restore(self) -> None:
        for parameter, weight in zip(self.parameters, self.weights, strict=True):
            parameter.copy_(weight)
