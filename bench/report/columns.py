"""Records as tables: one row per run, or one row per prediction, with named and typed columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bench.evidence.results import belongs
from bench.records.record import Predictions, Record
from bench.records.study import Study
from gptcore.recipe import Recipe

Kind = Literal["text", "int", "float", "bool", "ints", "floats"]
Cells = dict[str, Any]  # column -> value, None where it is missing


class NamedRows:
    """A study, and the rows that each recipe has in it."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.by_recipe: dict[str, list[str]] = {}
        for row in study.rows:
            if not row.excluded:
                self.by_recipe.setdefault(row.recipe.id, []).append(row.name)


@dataclass(frozen=True)
class Table:
    """Columns with their kinds, and what makes the rows of one record."""

    columns: Mapping[str, Kind]
    rows: Callable[[NamedRows, Record], Iterator[Cells]]


_KINDS: dict[Any, Kind] = {
    **{bool: "bool", int: "int", float: "float"},
    **{int | None: "int", float | None: "float"},
}
_RECIPE: dict[str, Kind] = {
    **{name: _KINDS.get(field.annotation, "text") for name, field in Recipe.model_fields.items()},
    "train_name": "text",
}
_RUN: dict[str, Kind] = {
    **dict.fromkeys(("study", "run_id", "recipe_id", "rows"), "text"),
    "in_report": "bool",
    **dict.fromkeys(("seed_index", "seed_init", "seed_order", "seed_split"), "int"),
    **dict.fromkeys(("status", "reason", "engine", "created_at"), "text"),
}
_OF_SPLIT: dict[str, Kind] = {"n": "int", "correct": "int", "accuracy": "float", "log_loss": "float"}
_COST: dict[str, Kind] = {
    **dict.fromkeys(("marginal_s", "standalone_s", "predicted_s", "predicted_checks_s"), "float"),
    **dict.fromkeys(("process_mem_bytes", "added_mem_bytes", "predicted_mem_bytes"), "int"),
    **{"tokens_processed": "int", "flops": "float"},
}
_PLACE: dict[str, Kind] = {
    **dict.fromkeys(("device", "cpu", "dtype", "python", "platform", "git_sha"), "text"),
    **{"threads": "int", "jobs": "int", "nproc": "int", "memory_bytes": "int", "git_dirty": "bool"},
}
_DATA: dict[str, Kind] = {
    **dict.fromkeys(("name", "fingerprint", "source_fingerprint"), "text"),
    **dict.fromkeys(("n_train", "n_validation", "n_test", "n_test_groups"), "int"),
}


def _run_cells(named: NamedRows, record: Record) -> Iterator[Cells]:
    yield {
        **_of_run(named, record),
        **{f"recipe_{name}": _recipe_cell(record.recipe, name) for name in _RECIPE},
        **_prefixed("dataset", _DATA, record.dataset),
        **{
            cell: value
            for split in ("train", "validation", "test")
            for cell, value in _prefixed(
                split, _OF_SPLIT, record.metrics and getattr(record.metrics, split)
            ).items()
        },
        "roc_auc": record.test.roc_auc if record.test else None,
        "epochs_done": len(record.curves.epochs) if record.curves else None,
        "parameters": record.parameters.total if record.parameters else None,
        "trained_parameters": record.parameters.trained if record.parameters else None,
        **_prefixed("cost", _COST, record.cost),
        **_prefixed("env", _PLACE, record.environment),
    }


def _prediction_cells(named: NamedRows, record: Record) -> Iterator[Cells]:
    if record.test is None:
        return
    of_run = {name: value for name, value in _of_run(named, record).items() if name in _PREDICTION_RUN}
    names = record.dataset.label_names
    for index, (label, predicted) in enumerate(zip(record.test.labels, record.test.predicted, strict=True)):
        classes, probabilities = _probabilities(record.test, index)
        by_class = dict(zip(classes, probabilities, strict=True))
        yield {
            **of_run,
            "index": index,
            "example": record.test.examples[index] if record.test.examples else None,
            "group": record.test.groups[index] if record.test.groups else None,
            "label": label,
            "predicted": predicted,
            "label_name": names[label],
            "predicted_name": names[predicted],
            "correct": label == predicted,
            "p_label": by_class.get(label),
            "p_predicted": by_class.get(predicted),
            "classes": classes,
            "probabilities": probabilities,
        }


_PREDICTION_RUN: dict[str, Kind] = {name: _RUN[name] for name in list(_RUN)[:6]}
RUNS = Table(
    {
        **_RUN,
        **{f"recipe_{name}": kind for name, kind in _RECIPE.items()},
        **{f"dataset_{name}": kind for name, kind in _DATA.items()},
        **{
            f"{split}_{name}": kind
            for split in ("train", "validation", "test")
            for name, kind in _OF_SPLIT.items()
        },
        **{"roc_auc": "float", "epochs_done": "int", "parameters": "int", "trained_parameters": "int"},
        **{f"cost_{name}": kind for name, kind in _COST.items()},
        **{f"env_{name}": kind for name, kind in _PLACE.items()},
    },
    _run_cells,
)
PREDICTIONS = Table(
    {
        **_PREDICTION_RUN,
        **dict.fromkeys(("index", "example", "group", "label", "predicted"), "int"),
        **dict.fromkeys(("label_name", "predicted_name"), "text"),
        "correct": "bool",
        **dict.fromkeys(("p_label", "p_predicted"), "float"),
        **{"classes": "ints", "probabilities": "floats"},
    },
    _prediction_cells,
)


def _of_run(named: NamedRows, record: Record) -> Cells:
    rows = named.by_recipe.get(record.recipe_id, [])
    return {
        "study": named.study.name,
        "run_id": record.run_id,
        "recipe_id": record.recipe_id,
        "rows": ",".join(rows) or None,
        "in_report": bool(rows) and belongs(record, named.study),
        "seed_index": record.seed_index,
        "seed_init": record.seeds.init,
        "seed_order": record.seeds.order,
        "seed_split": record.seeds.split,
        "status": record.status,
        "reason": record.reason,
        "engine": record.engine,
        "created_at": record.created_at,
    }


def _prefixed(prefix: str, columns: Mapping[str, Kind], part: object | None) -> Cells:
    """A part's fields as columns; None for each where the record lacks the part."""
    return {f"{prefix}_{name}": None if part is None else getattr(part, name) for name in columns}


def _recipe_cell(recipe: Recipe, name: str) -> Any:
    value = getattr(recipe, name)
    if name == "train":  # a method with its fields, as two of one name are two recipes
        written = recipe.model_dump(mode="json", include={name})[name]
        return written if isinstance(written, str) else json.dumps(written)
    if value is None or _RECIPE[name] != "text":
        return value
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _probabilities(test: Predictions, index: int) -> tuple[list[int], list[float]]:
    """Classes and their probabilities for one example; of many classes only the most probable are kept."""
    kept = test.probabilities[index]
    return (list(range(len(kept))) if test.classes is None else test.classes[index]), kept
