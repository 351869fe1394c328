"""What each run of a plan will take, from probes of its recipes: time here, peak memory. Computes nothing else.

Runs are foretold in the order in which they will go, because an earlier one leaves its trunk to the later ones.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.run.record import Record
from bench.study.costs import estimate_memory
from bench.study.plan import PlannedRun
from gptcore.finetune.recipe import Recipe, Seeds
from gptcore.models.checkpoints import known_config

if TYPE_CHECKING:
    from gptcore.finetune.probe import Probe, TrunkNeed


@dataclass(frozen=True)
class Prediction:
    """What a run will cost: seconds here (a record's `marginal_s`), and its process's peak memory."""

    seconds: float
    mem_bytes: int


@dataclass(frozen=True)
class Machine:
    """What is the same for all runs. floor_bytes: of a process that has loaded everything but a model;
    trunk_bytes: what the trunks that are kept may take together."""

    floor_bytes: int
    trunk_bytes: int


def forecast(
    plan: Sequence[PlannedRun], probes: Mapping[str, Probe], n_classes: int, machine: Machine
) -> dict[str, Prediction]:
    """Run id -> prediction, for the runs that are to do and whose recipe (by id) was probed."""
    trunks = _Trunks(machine.trunk_bytes)
    found = {}
    for run in plan:
        probe = probes.get(run.recipe.id)
        if run.state != "todo" or probe is None or not probe.phases:
            continue
        seconds = sum(probe.phases.values())
        if probe.trunk is not None:
            share = trunks.take(probe.trunk, run.recipe, run.seeds)
            seconds -= (1 - share) * probe.phases.get("trunk", 0.0)
        mem_bytes = machine.floor_bytes + trunks.held_bytes + _own_bytes(run.recipe, probe, n_classes)
        found[run.run_id] = Prediction(seconds, mem_bytes)
    return found


def with_prediction(record: Record, predictions: Mapping[str, Prediction]) -> Record:
    """The record with what was foretold of it, where the run was done and foretold."""
    prediction = predictions.get(record.run_id)
    if prediction is None or record.cost is None:
        return record
    foretold = {"predicted_s": round(prediction.seconds, 4), "predicted_mem_bytes": prediction.mem_bytes}
    return record.model_copy(update={"cost": record.cost.model_copy(update=foretold)})


def _own_bytes(recipe: Recipe, probe: Probe, n_classes: int) -> int:
    config = None if recipe.is_tfidf else known_config(recipe.model)
    if config is None:
        return 0
    return estimate_memory(config, recipe, probe.tokens_per_row, n_classes, runtime_bytes=0)


class _Trunks:
    """Which trunks are ready, as `gptcore.finetune.trunk_store` keeps them: in memory up to a budget, then on disk."""

    def __init__(self, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        self._bytes: dict[tuple[Hashable, str | None, int], int] = {}

    @property
    def held_bytes(self) -> int:
        """Of memory."""
        return min(sum(self._bytes.values()), self.memory_bytes)

    def take(self, need: TrunkNeed, recipe: Recipe, seeds: Seeds) -> float:
        """Share of its blocks that have to be computed now: 0 where it is found ready."""
        rows = (need.rows, seeds.split, seeds.init if recipe.weights == "random" else None)
        if (rows, need.read, need.depth) in self._bytes:
            return 0.0
        made = 0.0 if need.below is None else self.take(need.below, recipe, seeds) * need.below.depth
        ready = max(
            (depth for other, _, depth in self._bytes if other == rows and depth < need.depth), default=0
        )
        self._bytes[rows, need.read, need.depth] = need.n_bytes
        return (made + need.depth - ready) / need.depth
