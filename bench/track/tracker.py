"""What every tracker gets of a run: numbers and names from its record, never its texts, messages or environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bench.records.record import Record
from gptcore.backbones.checkpoints import folder_label, is_local_folder
from gptcore.backbones.hub import split_revision

Value = str | int | float | bool


@dataclass(frozen=True)
class TrackedRun:
    """A finished run. curve: epoch -> metrics; accuracies and shares are 0 to 1, times in seconds."""

    study: str
    name: str
    group: str  # its rows
    failed: bool
    params: dict[str, Value]
    metrics: dict[str, float]
    curve: dict[int, dict[str, float]]


class Tracker(Protocol):
    """A place that copies go to. Whatever it raises ends its tracking, not the study."""

    def log(self, run: TrackedRun) -> None:
        """Copy a run."""


def tracked(record: Record, study: str, rows: tuple[str, ...]) -> TrackedRun:
    """The copy of a record that trackers get."""
    params: dict[str, Value] = {
        name: value if isinstance(value, int | float | bool) else str(value)
        for name, value in record.recipe.choices().items()
        if value is not None
    }
    params["model"] = _model(record.recipe.model)
    params |= {
        "recipe_id": record.recipe_id,
        "seed_index": record.seed_index,
        **{f"seed_{name}": value for name, value in record.seeds.model_dump().items()},
        "dataset": record.dataset.name,
        "dataset_fingerprint": record.dataset.fingerprint,
        "engine": record.engine,
        "device": record.environment.device,
        "status": record.status,
    }
    return TrackedRun(
        study,
        record.run_id,
        ", ".join(rows),
        record.status == "failed",
        params,
        _metrics(record),
        _curve(record),
    )


def _model(model: str) -> str:
    """Its name; of a path only the last part and a digest, as paths name users."""
    repo, _ = split_revision(model)
    is_path = (
        model.startswith(("/", "~", ".")) or repo.count("/") > 1
    )  # a folder, also where it is gone by now
    return folder_label(model) if is_path or is_local_folder(model) else model


def _metrics(record: Record) -> dict[str, float]:
    found: dict[str, float | None] = {}
    if record.metrics is not None:
        for split in ("train", "validation", "test"):
            part = getattr(record.metrics, split)
            found |= {f"{split}_accuracy": part.accuracy, f"{split}_log_loss": part.log_loss}
    if record.cost is not None:
        fields = ("marginal_s", "standalone_s", "process_mem_bytes", "tokens_processed", "flops")
        found |= {name: getattr(record.cost, name) for name in fields}
    if record.parameters is not None:
        found |= {"parameters": record.parameters.total, "trained_parameters": record.parameters.trained}
    return {name: float(value) for name, value in found.items() if value is not None}


def _curve(record: Record) -> dict[int, dict[str, float]]:
    fields = ("train_accuracy", "validation_accuracy", "validation_loss")
    epochs = record.curves.epochs if record.curves else []
    return {
        epoch.epoch: {
            f"epoch_{name}": float(value) for name in fields if (value := getattr(epoch, name)) is not None
        }
        for epoch in epochs
    }
