"""What a trainer is asked to do. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from gptcore.data.datasets import Dataset
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Fit, OnEpoch
from gptcore.training.timing import Phases

if TYPE_CHECKING:
    import torch

    from gptcore.engine.engine import Engine


@dataclass(frozen=True)
class Task:
    """One recipe, one data set, one seed. phases: where the trainer's time is counted, and its device.

    asked_engine: None for the usual one; verify: whether to compare with the plain engine on a sample first.
    """

    recipe: Recipe
    data: Dataset
    seeds: Seeds
    asked_engine: Engine | None
    phases: Phases
    on_epoch: OnEpoch | None = None
    verify: bool = False

    @cached_property
    def engine(self) -> Engine:
        """What computes a network; loads torch."""
        from gptcore.engine.engine import Engine

        return self.asked_engine or Engine()

    @property
    def device(self) -> torch.device:
        """Where the tensors of a network are."""
        assert self.phases.device is not None
        return self.phases.device


class Trainer(Protocol):
    """A module that fits a recipe."""

    def fit(self, task: Task) -> Fit:
        """What is known only at the end of the whole fit, phases and memory, is left for `gptcore.fit`."""
