"""From the options of `speed` to rows, data and the existing page. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bench.records.speed import SpeedStudy
from bench.records.store import load_speed, speed_path
from bench.records.study import Row
from bench.run.environment import has_cuda
from bench.run.jobs import choose_device
from bench.run.options import SpeedOptions
from bench.run.study_run import check_folder, split_names
from bench.study.matrix import load_matrix
from bench.study.plan import choose_models
from bench.study.resolve import resolve
from gptcore.backbones.checkpoints import checkpoint_reachable
from gptcore.data.datasets import Dataset, load_dataset
from gptcore.errors import UserError, closest


@dataclass(frozen=True)
class SpeedRun:
    """The work of `speed`: rows of one model of `models`, the rows also timed end to end, the data, the device.

    extra_rows: rows that are not in the matrix: all layers and LoRA, reading the last real token. before: earlier
    measurements in the same folder.
    """

    models: str
    rows: list[Row]
    extra_rows: list[Row]
    end_to_end: list[Row]
    data: Dataset
    device: str
    before: SpeedStudy | None


def open_speed(options: SpeedOptions) -> SpeedRun:
    """The rows of the full matrix on the baseline's own model, each recipe once. Raises UserError."""
    models, _ = choose_models(options.models, has_cuda, checkpoint_reachable)
    resolved = resolve(load_matrix("full"), models, {}, split_names(options.only), split_names(options.skip))
    model = resolved.rows[0].recipe.model
    rows: dict[str, Row] = {}
    for row in resolved.rows:
        if row.recipe.model == model and row.excluded is None:
            rows.setdefault(row.recipe.id, row)
    extra_rows = [
        Row(
            name=f"{row.name}-last-real-token",
            recipe=row.recipe.model_copy(update={"position": "last_real"}),
        )
        for row in rows.values()
        if row.name in ("all-layers", "lora")
    ]
    timed = {row.name: row for row in (*rows.values(), *extra_rows)}
    for name in split_names(options.whole):
        if name not in timed:
            raise UserError(f"--whole {name}: unknown row: {closest(name, timed)}")
    check_folder(options.out)
    path = speed_path(options.out, models)
    before = load_speed(path)
    dataset = load_dataset(options.data, options=options.reading())
    if not options.pairs and not options.whole:
        raise UserError("--pairs 0 times nothing: name a row with --whole")
    if not options.pairs and before is None:
        raise UserError(f"--pairs 0: {path} does not exist: time the rows first, without --pairs 0")
    if before is not None:
        _check_nothing_is_lost(path, before, dataset, timed if options.pairs else None)
    return SpeedRun(
        models,
        list(rows.values()),
        extra_rows,
        [timed[name] for name in split_names(options.whole)],
        dataset,
        choose_device(options.device, has_cuda),
        before,
    )


def _check_nothing_is_lost(
    path: Path, before: SpeedStudy, data: Dataset, timed: Collection[str] | None
) -> None:
    """Refuse to overwrite a page of other data or with rows that are not timed again; None: all rows are kept."""
    if (before.dataset, before.n_train) != (data.name, len(data.train)):
        raise UserError(
            f"{path} is about {before.dataset} with {before.n_train:,} training texts, this is {data.name} with "
            f"{len(data.train):,}: use another --out"
        )
    names = [row.row for row in (*before.rows, *before.extra_rows)]
    lost = [name for name in names if timed is not None and name not in timed]
    if lost:
        raise UserError(f"{path} holds rows that this call would drop, such as {lost[0]}: use another --out")
