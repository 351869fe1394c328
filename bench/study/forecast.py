"""Time and memory estimates for each run of a plan, from probes of its recipes. Trains nothing.

Runs are forecast in the order in which they will go, because later runs reuse the trunks of earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING

from bench.records.record import Record
from bench.study.plan import PlannedRun
from gptcore.result import CutTexts
from gptcore.training.serving_time import budget_beside, expected_s

if TYPE_CHECKING:
    from gptcore.training.sample import PaddingCost, Probe
    from gptcore.training.trunk_need import TrunkNeed


@dataclass(frozen=True)
class Prediction:
    """The forecast of a run: its time in this study (a record's `marginal_s`) and its process's peak memory.

    cut: how many texts the run will truncate; None if it reads no tokens. trunk: what decides the states below the
    blocks that it trains, but their depth: runs of which it is equal share them; None where it trains all blocks.
    checks: seconds of what follows the run, by name, as in a record; kept_bytes: of the memory, trunks that other runs
    have left.
    """

    seconds: float
    mem_bytes: int
    cut: CutTexts | None = None
    trunk: Hashable | None = None
    checks: Mapping[str, float] = field(default_factory=dict)
    kept_bytes: int = 0

    @property
    def busy_s(self) -> float:
        """Seconds until the next run can begin."""
        return self.seconds + sum(self.checks.values())


_Rows = tuple[Hashable, int | None]  # what decides hidden states but depth; the seed of random weights
_State = tuple[str | None, int]  # the position that is read, if all blocks are frozen; depth
_Part = tuple[Hashable, int | None, str | None, int]


@dataclass(frozen=True)
class Machine:
    """Facts shared by all runs.

    floor_bytes: memory of a process that has loaded everything but a model; trunk_bytes: upper limit for the trunks
    that are kept in memory; serves: whether trained classifiers are timed; cut_texts_s: seconds of trying TF-IDF on
    truncated texts as well, for runs of which that is done.
    """

    floor_bytes: int
    trunk_bytes: int
    serves: bool = True
    cut_texts_s: Callable[[PlannedRun], float | None] = lambda _run: None


def forecast(
    plan: Sequence[PlannedRun],
    probe_of: Callable[[PlannedRun], Probe | None],
    machine: Machine,
) -> dict[str, Prediction]:
    """Run id -> prediction, for the runs that are to do and have a probe."""
    trunks = _Trunks(machine.trunk_bytes)
    found = {}
    for run in plan:
        probe = probe_of(run) if run.state == "todo" else None
        if probe is None or not probe.phases:
            continue
        trunks.begin(run)
        checks = {}
        if probe.paddings is not None:
            checks["padding"] = sum(
                padding.above_s + trunks.missing(padding, probe.trunk) * padding.frozen_s
                for padding in probe.paddings
            )
        seconds = sum(probe.phases.values())
        if probe.trunk is not None:
            seconds -= (1 - trunks.take(probe.trunk)) * probe.phases.get("trunk", 0.0)
        if machine.serves:
            checks["serving"] = expected_s(budget_beside(seconds), probe.text_s, probe.n_ways)
        if (cut_texts_s := machine.cut_texts_s(run)) is not None:
            checks["cut_texts"] = cut_texts_s
        mem_bytes = machine.floor_bytes + trunks.held_bytes + probe.own_bytes
        found[run.run_id] = Prediction(
            *(seconds, mem_bytes, probe.cut, _trunk_of(run, probe), checks),
            kept_bytes=max(0, trunks.held_bytes - _trunk_bytes(probe.trunk)),
        )
    return found


def mean_of(forecasts: Sequence[Mapping[str, Prediction]]) -> dict[str, Prediction]:
    """What several processes forecast for the same runs: mean times and most memory, of the runs that all know."""
    first = forecasts[0]
    each = {
        name: [found[name] for found in forecasts]
        for name in first
        if all(name in found for found in forecasts)
    }
    return {
        name: replace(
            found[0],
            seconds=fmean(one.seconds for one in found),
            mem_bytes=max(one.mem_bytes for one in found),
            checks={check: fmean(one.checks[check] for one in found) for check in found[0].checks},
        )
        for name, found in each.items()
    }


def _trunk_of(run: PlannedRun, probe: Probe) -> Hashable | None:
    need = probe.trunk
    if need is None:
        return None
    return need.states.rows, run.seeds.init if run.recipe.weights == "random" else None


def _trunk_bytes(need: TrunkNeed | None) -> int:
    """What a run's own trunk takes, with the states of its test texts under other paddings."""
    return 0 if need is None else sum(need.parts.values()) + _trunk_bytes(need.below)


def refuse_too_large(
    plan: Sequence[PlannedRun], predictions: Mapping[str, Prediction], free_bytes: int, jobs: int = 1
) -> list[PlannedRun]:
    """The plan, with runs blocked that need more memory than is free for each of so many at a time."""

    def judged(run: PlannedRun) -> PlannedRun:
        prediction = predictions.get(run.run_id)
        reason = prediction and lack_of_memory(prediction.mem_bytes, free_bytes, jobs)
        return replace(run, state="blocked", reason=reason) if reason else run

    return [judged(run) for run in plan]


def lack_of_memory(needs_bytes: int, free_bytes: int, jobs: int = 1) -> str | None:
    """Why a run that needs so much cannot be one of so many at a time; None where it can."""
    if needs_bytes <= free_bytes // jobs:
        return None
    remedy = f" for {jobs} runs at a time: use --jobs 1" if jobs > 1 else ""
    return f"not enough memory: needs {needs_bytes / 1e9:.1f} GB, {free_bytes / 1e9:.1f} GB are free{remedy}"


def with_prediction(record: Record, predictions: Mapping[str, Prediction]) -> Record:
    """The record with its forecast, if the run was done and had one."""
    prediction = predictions.get(record.run_id)
    if prediction is None or record.cost is None:
        return record
    forecast = {
        "predicted_s": round(prediction.seconds, 4),
        "predicted_checks_s": round(sum(prediction.checks.values()), 4),
        "predicted_mem_bytes": prediction.mem_bytes,
    }
    return record.model_copy(update={"cost": record.cost.model_copy(update=forecast)})


class _Trunks:
    """Which trunks are ready, as `gptcore.engine.trunk_cache` keeps them: in memory up to a budget, then on disk.

    Those for which a split had no use are dropped when the next one begins, as in `bench.run.runner.Session`.
    """

    def __init__(self, memory_bytes: int) -> None:
        self.memory_bytes = memory_bytes
        self._split_seed: int | None = None
        self._init_seed: int | None = None  # of random weights
        self._ready: dict[_Rows, set[_State]] = {}
        self._bytes: dict[_Part, int] = {}
        self._used: set[_Rows | _Part] = set()  # since the split began

    @property
    def held_bytes(self) -> int:
        """Memory of the trunks held now."""
        return min(sum(self._bytes.values()), self.memory_bytes)

    def begin(self, run: PlannedRun) -> None:
        """What is asked next is for this run."""
        self._init_seed = run.seeds.init if run.recipe.weights == "random" else None
        if run.seeds.split != self._split_seed:
            self._ready = {rows: found for rows, found in self._ready.items() if rows in self._used}
            self._bytes = {part: n for part, n in self._bytes.items() if part in self._used}
            self._used.clear()
            self._split_seed = run.seeds.split

    def missing(self, padding: PaddingCost, trunk: TrunkNeed | None) -> float:
        """Share of the frozen blocks that test texts under a padding have to go through after a run with that trunk."""
        if trunk is None:
            return 1.0
        states = trunk.states
        parts = {padding.need.of_test, padding.need.of_all}
        depths = {
            depth
            for part, init_seed, read, depth in self._bytes
            if part in parts
            and init_seed == self._init_seed
            and read == states.read
            and depth <= states.depth
        }
        ready = states.depth if padding.need.of_all in states.parts else max(depths, default=0)
        n_blocks = trunk.depth - 1 + trunk.last_block
        return max(0.0, n_blocks - ready) / n_blocks

    def take(self, need: TrunkNeed) -> float:
        """Share of the trunk's work that has to be done now: 0 if it is ready."""
        for part, n_bytes in need.parts.items():
            key = (part, self._init_seed, need.read, need.depth)
            self._bytes[key] = n_bytes
            self._used.add(key)
        rows = (need.rows, self._init_seed)
        self._used.add(rows)
        ready = self._ready.setdefault(rows, set())
        if (need.read, need.depth) in ready:
            return 0.0
        blocks_below = need.depth - 1
        if need.below is not None:
            made = self.take(need.below) * need.below.depth
        else:
            made = blocks_below - max((depth for _, depth in ready if depth < need.depth), default=0)
        ready.add((need.read, need.depth))
        return (made + need.last_block) / (blocks_below + need.last_block)
