"""The record of a run without an outcome: it failed, or cannot be done here. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from bench.records.facts import dataset_facts
from bench.records.record import Environment, Record
from bench.records.scrub import scrub
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError

NO_MEMORY = "out of memory"  # prefix of the reason of a run that ran out of memory


class RefusedRunError(UserError):
    """A run asks for something that the user has to change: it leaves no record, and other runs can go on."""


class RefusedRunsError(RefusedRunError):
    """Some runs of a plan were refused; its others are done. reasons: by run id."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__(next(iter(reasons.values())))
        self.reasons = reasons


def record_without_outcome(
    planned: PlannedRun,
    status: Literal["failed", "skipped"],
    reason: str | None,
    *,
    engine: Literal["fast", "plain"],
    data: Dataset,
    environment: Environment,
) -> Record:
    """The record of a run that failed, or that cannot be done here, and why."""
    return Record(
        run_id=planned.run_id,
        recipe_id=planned.recipe.id,
        recipe=planned.recipe,
        seed_index=planned.seed_index,
        seeds=planned.seeds,
        status=status,
        reason=None if reason is None else scrub(reason),
        engine=engine,
        dataset=dataset_facts(data),
        environment=environment,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
