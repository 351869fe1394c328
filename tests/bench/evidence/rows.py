"""Made-up results of rows: right answers and seconds by seed, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.evidence.results import Results, RowResult
from bench.published.table import load_table
from bench.records.record import (
    Cost,
    DatasetFacts,
    Environment,
    Metrics,
    Parameters,
    Predictions,
    Record,
    SplitMetrics,
    run_id,
)
from bench.records.study import Row, Study
from gptcore.recipe import Recipe, Seeds

N = 300
TABLE = load_table("llms_from_scratch")
ENVIRONMENT = Environment(
    device="cpu",
    cpu="a CPU",
    threads=2,
    memory_bytes=2**33,
    dtype="float32",
    python="3.11.0",
    platform="Linux",
    versions={},
    git_sha=None,
    git_dirty=None,
)
DATASET = DatasetFacts(
    name="sms-spam",
    fingerprint="f" * 64,
    source_fingerprint="e" * 64,
    n_train=1045,
    n_validation=149,
    n_test=N,
    label_names=("ham", "spam"),
    test_label_counts=(N, 0),
    duplicates=0,
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
    runs = []
    for seed, errors in enumerate(wrong):
        cost = seconds[seed] if seconds else 1.0
        metrics = SplitMetrics(n=N, correct=N - len(errors), accuracy=1 - len(errors) / N, log_loss=None)
        runs.append(
            Record(
                run_id=run_id(recipe, seed),
                recipe_id=recipe.id,
                recipe=recipe,
                seed_index=seed,
                seeds=Seeds(init=seed, order=seed),
                status="done",
                engine=engine,  # type: ignore[arg-type]
                dataset=dataset,
                metrics=Metrics(train=metrics, validation=metrics, test=metrics),
                test=Predictions(
                    labels=[0] * N,
                    predicted=[int(i in errors) for i in range(N)],
                    probabilities=[[0.5, 0.5]] * N,
                ),
                parameters=Parameters(total=2000, trained=trained),
                cost=Cost(
                    phases={"train": cost},
                    marginal_s=cost,
                    standalone_s=cost,
                    process_mem_bytes=None,
                    tokens_processed=None,
                    flops=None,
                ),
                environment=ENVIRONMENT.model_copy(update=environment),
                created_at="2025-01-01T00:00:00Z",
            )
        )
    published = TABLE.rows.get(name) if dataset.name == "sms-spam" else None
    row = Row(name=name, recipe=recipe, against=None, published=published)
    return RowResult(row, recipe.id, tuple(runs), claimed=published, published=None)


def make_results(*rows: RowResult, dataset: DatasetFacts = DATASET) -> Results:
    """A study of these rows; the first is the baseline."""
    study = Study(
        name="toy",
        matrix="toy",
        about="",
        models="embedded",
        baseline=rows[0].name,
        questions={},
        rows=[result.row for result in rows],
        seeds=[Seeds(init=i, order=i) for i in range(max(len(result.runs) for result in rows))],
        dataset=dataset,
        command="python -m bench run",
    )
    return Results(study, rows, n_unused=0, margin=0.01, table=TABLE)
