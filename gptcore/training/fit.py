"""From recipe and dataset to a fitted classifier: the one entry point that the harness and users call.

Loads torch only for a recipe that computes a network.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, cast

from gptcore.data.datasets import Dataset
from gptcore.data.subset import with_train_size
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Fit, OnEpoch
from gptcore.threads import warn_if_threads_spin
from gptcore.training.class_weight import check_class_weight
from gptcore.training.task import Task, Trainer
from gptcore.training.timing import PeakMemory, Phases

if TYPE_CHECKING:
    import torch

    from gptcore.engine.engine import Engine

# Each is loaded when a recipe asks for it.
TRAINERS = {
    "network": "gptcore.training.network",
    "features": "gptcore.training.features",
    "tfidf": "gptcore.training.tfidf",
}


def fit(
    recipe: Recipe,
    data: Dataset,
    seed: int | Seeds = 0,
    engine: Engine | None = None,
    device: str | torch.device | None = None,
    on_epoch: OnEpoch | None = None,
    verify: bool = False,
) -> Fit:
    """Fit one recipe on one dataset.

    seed: one number for head and order, or `Seeds`; engine: by default the fast one in float32 (pass the same
    one again to share its trunks); device: by default a CUDA GPU where there is one; verify: compare with the
    plain engine on a sample first. Raises UserError where `data` is not a Dataset or has fewer texts than the recipe's
    `train_size`, or none of a class that its `class_weight` needs, where the weights cannot be loaded or where the
    recipe does not fit the model, FloatingPointError where the loss is no longer finite, DisagreementError where
    verification fails.
    """
    if not isinstance(data, Dataset):
        raise UserError(
            f"fit: data is a {type(data).__name__}: pass load_dataset(...) or Dataset.from_texts(texts, labels)"
        )
    warn_if_threads_spin()
    data = with_train_size(data, recipe.train_size)
    check_class_weight(recipe, data)
    seeds = seed if isinstance(seed, Seeds) else Seeds(init=seed, order=seed)
    trainer = cast(Trainer, import_module(TRAINERS[recipe.trainer]))
    where = None if recipe.backbone is None else _device(device)
    phases = Phases(where)
    with PeakMemory(where) as memory:
        task = Task(recipe, data, seeds, engine, phases, on_epoch, verify)
        found = trainer.fit(task)
    return replace(
        found,
        phases=phases.finish(),
        process_mem_bytes=memory.peak_bytes,
        added_mem_bytes=memory.added_bytes,
    )


def _device(asked: str | torch.device | None) -> torch.device:
    from gptcore.engine.device import chosen_device

    return chosen_device(asked)
