"""Made-up results of rows: right answers and seconds by seed, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.evidence.results import Results, RowResult
from bench.published.table import load_table
from bench.records.dataset import DatasetFacts
from bench.records.record import (
    Parameters,
)
from bench.records.study import Row
from gptcore.recipe import Recipe, Seeds
from tests.bench import toys

N = 300
TABLE = load_table("llms_from_scratch")
DATASET = toys.DATASET.model_copy(
    update={
        "name": "sms-spam",
        "n_train": 1045,
        "n_validation": 149,
        "n_test": N,
        "test_label_counts": (N, 0),
    }
)


def make_row(
    name: str,
    wrong: Sequence[Sequence[int] | range],
    seconds: Sequence[float] = (),
    *,
    recipe: Recipe | None = None,
    engine: str = "fast",
    trained: int = 1000,
    dataset: DatasetFacts = DATASET,
    **environment: Any,
) -> RowResult:
    """A row that ran with one seed for each list of `wrong` test examples; seconds are those of training too."""
    recipe = recipe or Recipe(lr=1e-5 * (1 + sum(map(ord, name))))  # a recipe of its own
    runs = [
        toys.make_record(
            recipe,
            seed,
            seeds=Seeds(init=seed, order=seed),
            engine=engine,
            dataset=dataset,
            parameters=Parameters(total=2000, trained=trained),
            environment=toys.ENVIRONMENT.model_copy(update=environment),
            **toys.make_outcome(errors, N, seconds[seed] if seconds else 1.0),
        )
        for seed, errors in enumerate(wrong)
    ]
    published = TABLE.rows.get(name) if dataset.name == "sms-spam" else None
    row = Row(name=name, recipe=recipe, against=None, published=published)
    return RowResult(row, recipe.id, tuple(runs), claimed=published, published=None)


def make_results(*rows: RowResult, dataset: DatasetFacts = DATASET) -> Results:
    """A study of these rows; the first is the baseline."""
    seeds = [Seeds(init=i, order=i) for i in range(max(len(result.runs) for result in rows))]
    study = toys.make_study([result.row for result in rows], seeds=seeds, dataset=dataset, models="embedded")
    return Results(study, rows, n_unused=0, margin=0.01, table=TABLE)
