"""What a trainer is asked to do, and the trainers by the name that a recipe gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from gptcore.data.datasets import Dataset
from gptcore.engine.engine import Engine
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Fit, OnEpoch
from gptcore.training.timing import Phases


@dataclass(frozen=True)
class Task:
    """One recipe, one data set, one seed. phases: where the trainer's time is counted, and its device.

    verify: whether to compare with the plain engine on a sample first.
    """

    recipe: Recipe
    data: Dataset
    seeds: Seeds
    engine: Engine
    phases: Phases
    on_epoch: OnEpoch | None = None
    verify: bool = False

    @property
    def device(self) -> torch.device:
        """Where tensors are."""
        return self.phases.device


class Trainer(Protocol):
    """Fits a recipe. What is known only at the end of the whole fit, phases and memory, is left for `fit`."""

    def __call__(self, task: Task) -> Fit: ...
