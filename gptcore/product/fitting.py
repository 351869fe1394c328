"""From recipe and data to a classifier to keep: epochs chosen on validation, then trained on train and validation.

No step sees the test part: it is replaced by the validation part before anything is fitted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gptcore.calibration import calibration_error, estimated_temperature, tempered
from gptcore.classifier import TextClassifier, Threshold
from gptcore.data.datasets import Dataset, Split
from gptcore.data.subset import with_train_size
from gptcore.errors import UserError, closest
from gptcore.product.report import ABSTAIN_STEPS, Abstaining, Calibration, Choice
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Epoch, Evaluation, Fit, OnEpoch
from gptcore.training.fit import fit
from gptcore.training.predictors import Refittable

if TYPE_CHECKING:
    from gptcore.engine.engine import Engine


@dataclass(frozen=True, eq=False)
class Fitted:
    """A classifier and what led to it; nothing here comes from the test part. epochs: None where there are none."""

    classifier: TextClassifier
    epochs: Choice | None
    calibration: Calibration
    abstaining: Abstaining
    fit_s: float
    notes: tuple[str, ...]


def threshold_for_cost(cost: float, positive: str | None, labels: tuple[str, ...]) -> Threshold:
    """The threshold with the lowest expected cost, where a false positive costs `cost` times a false negative.

    positive: by default the second of the two labels. Raises UserError where there are not two, or none is called so.
    """
    if len(labels) != 2:
        raise UserError(
            f"--cost-false-positive {cost:g}: the data has {len(labels)} classes, a threshold needs two: leave it out"
        )
    positive = labels[1] if positive is None else positive
    if positive not in labels:
        raise UserError(f"--positive {positive!r} is not a label of the data: {closest(positive, labels)}")
    return Threshold(positive=positive, at=cost / (cost + 1))


def fit_to_keep(
    recipe: Recipe,
    data: Dataset,
    seed: int = 0,
    device: str | None = None,
    threshold: Threshold | None = None,
    progress: Callable[[str], None] | None = None,
) -> Fitted:
    """Choose on the validation part, calibrate on it, then fit on train and validation together.

    device: as in `gptcore.fit`; progress: called with a line before each round and at the end of each epoch. Raises
    UserError as `fit` does, also where training diverges.
    """
    began = time.perf_counter()
    seeds = Seeds(init=seed, order=seed, split=data.split_seed)
    blind = replace(data, test=data.validation)
    learns_by_epochs = recipe.trainer == "network"
    first_recipe = recipe.model_copy(update={"restore_best": True}) if learns_by_epochs else recipe
    tell = progress or (lambda _line: None)
    # The blocks below the trained ones are computed before the first epoch, which may take minutes.
    tell(f"choosing: {_work(first_recipe, len(blind.train))}")
    engine = _engine_of_both_rounds(recipe)
    first = _fit(first_recipe, blind, seeds, engine, device, _teller("choosing", tell))
    temperature, reason = estimated_temperature(first.validation.probabilities, first.validation.labels)
    notes = (*first.notes, *([] if reason is None else [reason]))
    together = with_train_size(_with_validation(blind), recipe.train_size)
    if learns_by_epochs:
        assert first.best_epoch is not None
        choice = {"epochs": first.best_epoch, "restore_best": False, "patience": None, "best_by": "loss"}
        last_recipe = recipe.model_copy(update=choice)
        tell(f"training: {_work(last_recipe, len(together.train))}")
        kept = _fit(last_recipe, together, seeds, engine, device, _teller("training", tell)).classifier
    else:
        predictor = first.classifier.predictor
        assert isinstance(predictor, Refittable)
        tell(f"training: {_work(recipe, len(together.train))}")
        refitted = predictor.refit(together.train.texts, together.train.labels)
        kept = replace(first.classifier, predictor=refitted)
    kept = replace(kept, temperature=temperature, threshold=threshold)
    calibrated = kept.calibrated(first.validation.probabilities)
    return Fitted(
        classifier=kept,
        epochs=_choice(first) if learns_by_epochs else None,
        calibration=_calibration(first.validation, kept.temperature),
        abstaining=abstaining(calibrated, kept.decide(calibrated), first.validation.labels),
        fit_s=time.perf_counter() - began,
        notes=notes,
    )


def abstaining(probabilities: np.ndarray, answers: np.ndarray, labels: np.ndarray) -> Abstaining:
    """What each threshold buys. probabilities: (N, n_classes); answers, labels: (N,) int64."""
    sure = probabilities[np.arange(len(answers)), answers]
    keeps = [sure >= step / ABSTAIN_STEPS for step in range(ABSTAIN_STEPS + 1)]
    return Abstaining(
        n_texts=len(labels),
        kept=tuple(int(keep.sum()) for keep in keeps),
        correct=tuple(int((keep & (answers == labels)).sum()) for keep in keeps),
    )


def _fit(
    recipe: Recipe, data: Dataset, seeds: Seeds, engine: Engine | None, device: str | None, on_epoch: OnEpoch
) -> Fit:
    try:
        return fit(recipe, data, seeds, engine, device, on_epoch)
    except FloatingPointError as error:
        raise UserError(f"{error}: lower lr in the recipe") from error


def _engine_of_both_rounds(recipe: Recipe) -> Engine | None:
    """They are on the same texts, whose frozen part one engine computes once; None: TF-IDF needs none, nor torch."""
    if recipe.backbone is None:
        return None
    from gptcore.engine.engine import Engine

    return Engine()


def _work(recipe: Recipe, n_texts: int) -> str:
    n_used = n_texts if recipe.train_size is None else min(n_texts, recipe.train_size)
    if recipe.trainer != "network":
        return f"{n_used:,} texts"
    return f"{recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''} on {n_used:,} texts"


def _teller(round_name: str, progress: Callable[[str], None]) -> OnEpoch:
    """Tells of each epoch. The second round trains on the validation texts, so their figures say nothing there."""

    def tell(epoch: Epoch) -> None:
        progress(
            f"{round_name}, epoch {epoch.epoch}: training accuracy {100 * epoch.train_accuracy:.1f}%"
            + (f", validation loss {epoch.validation_loss:.4f}" if round_name == "choosing" else "")
            + f", {epoch.train_s:.1f} s"
        )

    return tell


def _with_validation(data: Dataset) -> Dataset:
    """The validation texts behind the training texts, and still in the validation part, which no one may look at."""
    labels = np.concatenate([data.train.labels, data.validation.labels])
    labels.setflags(write=False)
    return replace(data, train=Split((*data.train.texts, *data.validation.texts), labels))


def _choice(first: Fit) -> Choice:
    losses = tuple(epoch.validation_loss for epoch in first.epochs)
    assert first.best_epoch is not None
    return Choice(
        tried=len(losses), chosen=first.best_epoch, validation_losses=losses, by=first.recipe.best_by
    )


def _calibration(validation: Evaluation, temperature: float) -> Calibration:
    before, labels = validation.probabilities, validation.labels
    after = tempered(before, temperature)
    return Calibration(
        temperature=temperature,
        n_texts=len(labels),
        log_loss_before=validation.log_loss,
        log_loss_after=Evaluation(labels, after).log_loss,
        error_before=calibration_error(before, labels),
        error_after=calibration_error(after, labels),
    )
