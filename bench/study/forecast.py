"""What each run of a plan will take, from probes of its recipes: time here, peak memory. Computes nothing else.

Runs are foretold in the order in which they will go, because an earlier one leaves its trunk to the later ones.
"""

from __future__ import annotations

from collections import OrderedDict
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
        made_bytes = 0
        if probe.trunk is not None:
            share, made_bytes = trunks.take(probe.trunk, run.recipe, run.seeds)
            seconds -= (1 - share) * probe.phases.get("trunk", 0.0)
        # While rows are put in order, what was just made is there twice.
        mem_bytes = (
            machine.floor_bytes
            + trunks.held_bytes
            + max(made_bytes, _own_bytes(run.recipe, probe, n_classes))
        )
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
    """Which trunks are ready, as `gptcore.finetune.trunk.TrunkStore` keeps them: the least used go first."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._bytes: OrderedDict[tuple[Hashable, str | None, int], int] = OrderedDict()

    @property
    def held_bytes(self) -> int:
        return sum(self._bytes.values())

    def take(self, need: TrunkNeed, recipe: Recipe, seeds: Seeds) -> tuple[float, int]:
        """Share of its blocks that have to be computed (0: found ready), and the bytes that this makes."""
        rows = (need.rows, seeds.split, seeds.init if recipe.weights == "random" else None)
        key = (rows, need.read, need.depth)
        if key in self._bytes:
            self._bytes.move_to_end(key)
            return 0.0, 0
        ready = max((k[2] for k in self._bytes if k[0] == rows and k[2] < need.depth), default=0)
        self._bytes[key] = need.n_bytes
        while len(self._bytes) > 1 and self.held_bytes > self.budget_bytes:
            self._bytes.popitem(last=False)
        return 1 - ready / need.depth, need.n_bytes
