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
from bench.run.options import SpeedOptions, split_names
from bench.run.study_name import check_folder
from bench.study.matrix import load_matrix
from bench.study.plan import choose_models
from bench.study.resolve import resolve
from gptcore.backbones.checkpoints import (
    check_obtainable,
    checkpoint_folder,
    checkpoint_reachable,
    known_config,
)
from gptcore.backbones.config import FAMILIES
from gptcore.backbones.hf_config import HFConfig
from gptcore.backbones.model_info import read_info
from gptcore.data.datasets import Dataset, load_dataset
from gptcore.errors import UserError, closest
from gptcore.model_defaults import model_defaults
from gptcore.recipe import Recipe, make_recipe


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


@dataclass(frozen=True)
class OpponentRun:
    """The work of `speed --against transformers`: rows of one model, the data, the device."""

    config: HFConfig
    rows: list[Row]
    data: Dataset
    device: str


def opponent_of(options: SpeedOptions) -> HFConfig | None:
    """The shape of the model that is compared with transformers; None where the two engines are.

    A model whose files are not on this machine is fetched. Raises UserError.
    """
    models, _ = choose_models(options.models, has_cuda, checkpoint_reachable)
    if options.against == "plain":
        return None
    config = None if models in FAMILIES else known_config(models)
    if config is None and models not in FAMILIES:
        check_obtainable(models)
        config = read_info(checkpoint_folder(models))
    if isinstance(config, HFConfig):
        return config
    if options.against == "transformers":
        raise UserError(
            f"--against transformers: {models} is run by code of this project: name a model that transformers runs, or "
            "--against plain"
        )
    return None


def open_opponent(options: SpeedOptions, config: HFConfig) -> OpponentRun:
    """The rows that are compared with a loop of transformers. Raises UserError."""
    if options.whole or options.skip:
        option = "--whole" if options.whole else "--skip"
        raise UserError(f"{option}: not with --against transformers: leave it out, or add --against plain")
    if not options.pairs:
        raise UserError("--pairs 0 times nothing: leave it out")
    defaults = {**model_defaults(options.models), "model": options.models}
    rows = {
        name: Row(name=name, recipe=comparable(config, make_recipe(defaults | {"train": train})))
        for name, train in (("last-block", "last_block"), ("all-layers", "all"), ("lora", "lora"))
    }
    only = split_names(options.only) or list(rows)
    for name in only:
        if name not in rows:
            raise UserError(f"--only {name}: unknown row: {closest(name, rows)}")
    check_folder(options.out)
    data = load_dataset(options.data, options=options.reading())
    return OpponentRun(config, [rows[name] for name in only], data, choose_device(options.device, has_cuda))


def comparable(config: HFConfig, recipe: Recipe) -> Recipe:
    """A recipe with what a sequence classifier of transformers reads: a decoder's last token, or [CLS] and its head."""
    reads = {"position": "last_real", "head": "linear"}
    if not config.abilities.causal:
        reads = {"position": "first", "head": "mlp"}
    return recipe.model_copy(update=reads | {"attend_padding": False, "attention": "native"})


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
