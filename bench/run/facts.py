"""What is known of a run before it begins: its data, and a record without an outcome. Imports no torch."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Literal

from bench.run.record import DatasetFacts, Environment, Record
from bench.run.scrub import scrub
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset


def dataset_facts(data: Dataset) -> DatasetFacts:
    """The facts of a loaded dataset."""
    counts = Counter(data.test.labels.tolist())
    return DatasetFacts(
        name=data.name,
        fingerprint=data.fingerprint,
        source_fingerprint=data.source_fingerprint,
        n_train=len(data.train),
        n_validation=len(data.validation),
        n_test=len(data.test),
        label_names=data.label_names,
        test_label_counts=tuple(counts[label] for label in range(len(data.label_names))),
        duplicates=data.duplicates,
    )


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
