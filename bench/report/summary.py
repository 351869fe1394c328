"""summary.csv: one line per row and seed, all figures unrounded."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from bench.evidence.metric import METRICS
from bench.evidence.results import Results, RowResult
from bench.records.record import Record
from bench.report.text import changes, sanitize
from gptcore.files import write_whole
from gptcore.result import ServingCost

PHASES = ("start", "load", "tokenise", "trunk", "train", "evaluate", "other")
_FORMULA = tuple("=+-@＝＋－＠")  # full-width ones too, which East Asian spreadsheets accept


def write_summary(path: Path, results: Results) -> None:
    """Write the table. Accuracies are shares, times seconds, published accuracies percent, missing is empty.

    Texts that a spreadsheet would take for a formula get an apostrophe in front.
    """
    lines = [
        _line(results, result, index)
        for result in results.rows
        for index in range(len(results.study.seeds if result.row.excluded else result.runs))
    ]
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(lines[0]) if lines else ["row"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in line.items()} for line in lines)
    write_whole(path, file.getvalue())


def _line(results: Results, result: RowResult, index: int) -> dict[str, Any]:
    row, seeds = result.row, results.study.seeds[index]
    run = None if row.excluded else result.runs[index]
    figures = result.claimed
    return {
        "row": row.name,
        "against": row.against,
        "changes": changes(row.changes),
        "question": row.question,
        "recipe_id": result.recipe_id,
        "model": row.recipe.model,
        "seed_index": index,
        "seed_init": seeds.init,
        "seed_order": seeds.order,
        "seed_split": seeds.split,
        "status": run.status if run else "excluded" if row.excluded else "not run",
        "reason": run.reason if run else row.excluded,
        "engine": run.engine if run else None,
        "weights_pretrained": run.weights.pretrained if run and run.weights else None,
        **_metrics(run),
        **_cost(run),
        "parameters_trained": run.parameters.trained if run and run.parameters else None,
        "parameters_total": run.parameters.total if run and run.parameters else None,
        "texts_truncated": run.inputs.n_truncated if run and run.inputs else None,
        "published_test_percent": figures.test_acc if figures else None,
        "published_minutes_a100": figures.minutes_a100 if figures else None,
        "published_is_same_model": result.published is not None if figures else None,
    }


def _metrics(run: Record | None) -> dict[str, Any]:
    line: dict[str, Any] = {}
    for split in ("test", "validation", "train"):
        metrics = getattr(run.metrics, split) if run and run.metrics else None
        for name in ("n", "correct", "accuracy", "log_loss"):
            line[f"{split}_{name}"] = getattr(metrics, name, None)
    for metric in METRICS.values():
        if metric.weighs_classes:
            line[f"test_{metric.name.replace('-', '_')}"] = metric.score(run) if run else None
    return line


def _cost(run: Record | None) -> dict[str, Any]:
    cost = run.cost if run else None
    line: dict[str, Any] = {f"{phase}_s": cost.phases.get(phase) if cost else None for phase in PHASES}
    for name in (
        "standalone_s",
        "marginal_s",
        "added_mem_bytes",
        "process_mem_bytes",
        "tokens_processed",
        "flops",
    ):
        line[name] = getattr(cost, name, None)
    serving = cost.serving if cost else None
    return line | {f"serving_{name}": getattr(serving, name, None) for name in ServingCost.model_fields}


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = sanitize(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
