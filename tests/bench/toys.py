"""Records and studies of two texts: the least that each must have. What a test is about, it changes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from bench.records.dataset import DatasetFacts
from bench.records.record import (
    Cost,
    Environment,
    Metrics,
    Predictions,
    Record,
    SplitMetrics,
    run_id,
)
from bench.records.study import Row, Study
from gptcore.recipe import Recipe, Seeds

DATASET = DatasetFacts(
    name="toy",
    fingerprint="f" * 64,
    source_fingerprint="e" * 64,
    n_train=7,
    n_validation=1,
    n_test=2,
    label_names=("ham", "spam"),
    test_label_counts=(1, 1),
    duplicates=0,
)
ENVIRONMENT = Environment(
    device="cpu",
    cpu="a CPU",
    threads=2,
    memory_bytes=2**33,
    dtype="float32",
    python="3.11.0",
    platform="Linux",
    versions={"torch": "2.6.0"},
    git_sha=None,
    git_dirty=None,
)


def make_record(recipe: Recipe | None = None, seed_index: int = 0, **changes: Any) -> Record:
    """A record of a done run without its figures, or with `changes`."""
    recipe = recipe or Recipe()
    values: dict[str, Any] = {
        "run_id": run_id(recipe, seed_index),
        "recipe_id": recipe.id,
        "recipe": recipe,
        "seed_index": seed_index,
        "seeds": Seeds(),
        "status": "done",
        "engine": "fast",
        "dataset": DATASET,
        "environment": ENVIRONMENT,
        "created_at": "2025-01-01T00:00:00Z",
    }
    return Record(**{**values, **changes})


def make_study(rows: list[Row] | None = None, **changes: Any) -> Study:
    """A study of a baseline on gpt2 with one seed, or with other rows or `changes`."""
    rows = rows or [Row(name="baseline", recipe=Recipe())]
    values: dict[str, Any] = {
        "name": "toy",
        "matrix": "toy",
        "about": "",
        "models": "gpt2",
        "baseline": rows[0].name,
        "questions": {},
        "rows": rows,
        "seeds": [Seeds()],
        "dataset": DATASET,
        "command": "python -m bench run --matrix toy",
    }
    return Study(**{**values, **changes})


def make_split(n: int, correct: int, log_loss: float | None = None) -> SplitMetrics:
    """So many of n texts are right."""
    return SplitMetrics(n=n, correct=correct, accuracy=correct / n, log_loss=log_loss)


def make_metrics(n: int, correct: int, log_loss: float | None = None) -> Metrics:
    """The same of each split."""
    split = make_split(n, correct, log_loss)
    return Metrics(train=split, validation=split, test=split)


def make_cost(seconds: float, **changes: Any) -> Cost:
    """A run of so many seconds, all of them training, of which nothing else is known."""
    unknown: dict[str, Any] = dict.fromkeys(["process_mem_bytes", "tokens_processed", "flops"])
    times = {"phases": {"train": seconds}, "marginal_s": seconds, "standalone_s": seconds}
    return Cost(**(times | unknown | changes))


def make_outcome(wrong: Collection[int], n: int, seconds: float = 1.0, **of_test: Any) -> dict[str, Any]:
    """What a finished run leaves that answered 1 instead of 0 to some of n test texts."""
    test = {
        "labels": [0] * n,
        "predicted": [int(i in wrong) for i in range(n)],
        "probabilities": [[0.5, 0.5]] * n,
    }
    metrics = make_metrics(n, n - len(wrong))
    return {"metrics": metrics, "test": Predictions(**(test | of_test)), "cost": make_cost(seconds)}
