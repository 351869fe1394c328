"""Runs that several processes of this machine compute together (`--nproc`). Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.records.record import Cost, Environment, Record
from bench.run.environment import n_threads
from bench.run.outcome import RefusedRunError, record_without_outcome
from bench.study.plan import PlannedRun
from gptcore.backbones.checkpoints import known_config
from gptcore.errors import UserError
from gptcore.result import Epoch, OnEpoch
from gptcore.training.distributed import TeamError, in_team
from gptcore.training.shardable import sharding_obstacle

if TYPE_CHECKING:
    from bench.run.options import RunOptions
    from bench.run.study_run import StudyRun
    from bench.run.worker import SessionSpec
    from gptcore.data.datasets import Dataset
    from gptcore.engine.sharded import Team


def check_nproc(nproc: int, study_run: StudyRun, options: RunOptions, verify: bool) -> None:
    """Raises UserError for what several processes would not do, or do otherwise than one."""
    if nproc == 1:
        return
    option = f"--nproc {nproc}"
    if verify:
        raise UserError(f"{option}: --verify needs the whole model in each process: leave one of them out")
    if options.engine == "plain":
        raise UserError(f"{option}: the plain engine computes in one process: leave --engine plain out")
    if options.precision == "bfloat16":
        raise UserError(
            f"{option}: rounded copies of all weights would lie in each process: use --precision float32"
        )
    if study_run.device == "cpu" and nproc > n_threads():
        raise UserError(
            f"{option}: this program may use {n_threads()} of the machine's cores (OMP_NUM_THREADS, or those it is "
            "allowed to run on): use that or less"
        )
    todo = [run for run in study_run.plan if run.state == "todo"]
    for run in (*todo, *study_run.trials):
        model = run.recipe.backbone
        obstacle = sharding_obstacle(run.recipe, None if model is None else known_config(model))
        if obstacle is not None:
            raise UserError(
                f"{option}: row {run.rows[0]!r}: {obstacle}; leave rows out with --only or --skip, or do them first "
                "without --nproc"
            )


def run_together(planned: PlannedRun, spec: SessionSpec, environment: Environment, tell: OnEpoch) -> Record:
    """The record of a run that `spec.nproc` processes compute: done, or failed with the reason.

    Raises RefusedRunError as `run_one` does.
    """
    began, start_s = time.perf_counter(), 0.0

    def hear(message: _Started | Epoch) -> None:
        nonlocal start_s
        if isinstance(message, _Started):
            start_s = time.perf_counter() - began
        else:
            tell(message)

    try:
        found: Record = in_team(spec.nproc, spec.device, _Run(planned, spec), hear, spec.threads)
    except UserError as error:
        raise RefusedRunError(str(error)) from error
    except TeamError as error:
        data = spec.data.with_split(planned.seeds.split)
        return record_without_outcome(
            planned, "failed", str(error), engine=spec.engine, data=data, environment=environment
        )
    assert found.cost is not None
    return found.model_copy(update={"cost": _with_start(found.cost, start_s)})


def _with_start(cost: Cost, start_s: float) -> Cost:
    """The cost of a run with the start of its processes, which one alone would not need, as a phase."""
    seconds = round(start_s, 4)
    return cost.model_copy(
        update={
            "phases": {"start": seconds, **cost.phases},
            "marginal_s": round(cost.marginal_s + seconds, 4),
            "standalone_s": round(cost.standalone_s + seconds, 4),
        }
    )


def fit_and_save_together(record: Record, data: Dataset, device: str, folder: Path) -> list[int]:
    """Fit a finished run again in as many processes as it had, and save its classifier; its test predictions.

    Raises UserError where that fails.
    """
    nproc = record.environment.nproc
    try:
        found: list[int] = in_team(
            nproc, device, _Keep(record, data, folder), threads=max(1, n_threads() // nproc)
        )
    except TeamError as error:
        raise UserError(f"--keep: {error}") from error
    return found


@dataclass(frozen=True)
class _Started:
    """Told once the processes have found each other."""


@dataclass(frozen=True)
class _Run:
    """A run, as each of the processes does it."""

    planned: PlannedRun
    spec: SessionSpec

    def __call__(self, team: Team, device: str, tell: Callable[[object], None]) -> Record:
        from bench.run.runner import Session, run_one
        from gptcore.engine.sharded import ShardedEngine

        session = Session(
            *(self.spec.data, ShardedEngine(team=team), device),
            checkpoints=self.spec.checkpoints,
            measures_serving=False,
            nproc=team.size,
        )
        tell(_Started())
        record = run_one(self.planned, session, tell)
        if record.cost is None:
            raise TeamError(record.reason)
        return record.model_copy(update={"cost": _of_all(record.cost)})


@dataclass(frozen=True)
class _Keep:
    """A finished run that is done again for its classifier, as each of the processes does it."""

    record: Record
    data: Dataset
    folder: Path

    def __call__(self, team: Team, device: str, tell: Callable[[object], None]) -> list[int]:
        from gptcore.engine.sharded import ShardedEngine
        from gptcore.sharded_save import save_sharded
        from gptcore.training.fit import fit

        del tell
        seeds = self.record.seeds
        data = self.data.with_split(seeds.split)
        fitted = fit(self.record.recipe, data, seeds, ShardedEngine(team=team), device)
        save_sharded(fitted.classifier, self.folder, team)
        predicted: list[int] = fitted.test.predicted.tolist()
        return predicted


def _of_all(cost: Cost) -> Cost:
    """The cost of a run over its processes: the most memory that one took, and the positions of all."""
    import torch
    import torch.distributed as dist

    # nccl only takes what is on a GPU.
    place = "cuda" if dist.get_backend() == "nccl" else "cpu"
    most = torch.tensor([cost.process_mem_bytes or 0, cost.added_mem_bytes or 0], device=place)
    positions = torch.tensor(cost.tokens_processed or 0, device=place)
    dist.all_reduce(most, dist.ReduceOp.MAX)
    dist.all_reduce(positions)
    process_bytes, added_bytes = most.tolist()
    return cost.model_copy(
        update={
            "process_mem_bytes": process_bytes,
            "added_mem_bytes": added_bytes,
            "tokens_processed": int(positions),
        }
    )
