"""The plan of a study: runs to do, runs done, and runs that cannot run here and why. Trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Literal, TypeVar

from bench.records.record import Record, run_id
from bench.records.study import Row, Study
from gptcore.backbones.checkpoint_files import is_file
from gptcore.backbones.checkpoint_tokenizer import checkpoint_tokenizer
from gptcore.backbones.checkpoints import (
    KNOWN_NAMES,
    OWNERS,
    cached_checkpoint,
    check_checkpoint,
    check_obtainable,
    is_hub_id,
    is_known,
    is_local_folder,
    known_config,
    known_folder,
    not_a_model,
    weights_note,
)
from gptcore.backbones.config import FAMILIES, FORMER_FAMILIES, REGISTRY
from gptcore.errors import UserError, closest
from gptcore.paths import path_kind
from gptcore.recipe import Recipe, Seeds

T = TypeVar("T")
State = Literal["todo", "done", "failed", "blocked"]


@dataclass(frozen=True)
class PlannedRun:
    """One recipe with one seed, and the rows that use it: rows with the same recipe share their runs.

    reason: why it is blocked, or why it failed before.
    """

    rows: tuple[str, ...]
    recipe: Recipe
    seed_index: int
    seeds: Seeds
    state: State
    reason: str | None = None

    @cached_property  # an id is a hash: thousands of runs are asked for theirs again and again
    def recipe_id(self) -> str:
        """The recipe's id."""
        return self.recipe.id

    @cached_property
    def run_id(self) -> str:
        """The name of its record."""
        return run_id(self.recipe, self.seed_index)


def choose_models(
    asked: str, has_cuda: Callable[[], bool | None], reachable: Callable[[str], bool]
) -> tuple[str, str]:
    """The model or family that the study runs on, and the reason in one line.

    asked: "auto", a family, a registry name, a checkpoint's folder or its hub id. `auto` takes gpt2 where a
    CUDA GPU is there and the weights are cached or `reachable`. Raises UserError for anything else.
    """
    asked = FORMER_FAMILIES.get(asked, asked)
    if asked != "auto":
        _check_model(asked, "--models")
        known_config(asked if asked not in FAMILIES else FAMILIES[asked][0])  # report a damaged folder now
        return asked, f"running on {asked}, as requested"
    if not has_cuda():
        return (
            "bundled",
            "running on bundled: there is no CUDA GPU (use --models gpt2 to run GPT-2 anyway)",
        )
    if cached_checkpoint("gpt2") is not None:
        return "gpt2", "running on gpt2: there is a CUDA GPU and the weights are cached"
    if reachable("gpt2"):
        return "gpt2", "running on gpt2: there is a CUDA GPU and the weights can be downloaded"
    return (
        "bundled",
        "running on bundled: GPT-2's weights are not cached and cannot be downloaded from here",
    )


def make_plan(
    study: Study,
    records: Mapping[str, Record],
    *,
    reachable: Callable[[str], bool],
    retry_failed: bool = False,
) -> list[PlannedRun]:
    """Every run of the study, all rows with the first seed, then with the second, in the engine's best order.

    records: run id -> record of this study; reachable: whether a model's weights can be downloaded, asked once per
    model and only if they are not on this machine; retry_failed: re-run failed runs.
    Raises UserError for a model that is not a name, a folder or a hub id, and for a local folder that cannot be opened.
    """
    obstacle_of = cache(partial(_model_obstacle, reachable))
    sharing: dict[str, list[Row]] = {}
    for row in study.rows:
        if row.recipe.backbone is not None:
            _check_model(row.recipe.backbone, f"row {row.name!r}: model")
        sharing.setdefault(row.recipe.id, []).append(row)

    def planned(rows: list[Row], seed_index: int, seeds: Seeds) -> PlannedRun:
        recipe = rows[0].recipe
        obstacle = _obstacle(rows, obstacle_of)
        state, reason = _state(records.get(run_id(recipe, seed_index)))
        if state == "failed" and retry_failed:
            state = "todo"
        if state == "todo" and obstacle is not None:
            state, reason = "blocked", obstacle
        return PlannedRun(tuple(row.name for row in rows), recipe, seed_index, seeds, state, reason)

    return [
        planned(rows, seed_index, seeds)
        for seed_index, seeds in enumerate(study.seeds)
        for rows in in_order(sharing.values(), lambda rows: rows[0].recipe)
    ]


def in_order(runs: Iterable[T], recipe_of: Callable[[T], Recipe]) -> list[T]:
    """One model after the other, each with its shorter trunks first, because longer ones start from them."""
    found = [(run, recipe_of(run)) for run in runs]
    models = list(dict.fromkeys(recipe.model for _, recipe in found))
    found.sort(key=lambda each: (models.index(each[1].model), -_blocks_trained(each[1])))
    return [run for run, _ in found]


def _blocks_trained(recipe: Recipe) -> int:
    return 0 if recipe.backbone is None else recipe.method.upper_blocks or 0


def blocking(plan: Sequence[PlannedRun]) -> list[str]:
    """Why no run of the plan can be done here, each reason once; empty if some can or are done."""
    if any(run.state != "blocked" for run in plan):
        return []
    return list(dict.fromkeys(run.reason or "" for run in plan))


def downloads(plan: Sequence[PlannedRun], size: Callable[[str], int | None]) -> dict[str, int | None]:
    """Model -> bytes of weights that its runs will download (None: unknown), for those that are not cached.

    size: bytes of a model's weights according to the hub; called once per model.
    """
    models = {
        run.recipe.model: None
        for run in plan
        if run.state == "todo" and run.recipe.backbone is not None and run.recipe.weights == "pretrained"
    }
    return {model: size(model) for model in models if cached_checkpoint(model) is None}


def checkpoint_notes(plan: Sequence[PlannedRun]) -> list[str]:
    """Notes on the checkpoints that a plan's runs will open, each once."""
    recipes = [run.recipe for run in plan if run.state == "todo" and run.recipe.backbone is not None]
    models = {(recipe.model, recipe.weights) for recipe in recipes}
    notes = []
    for model, weights in sorted(models):
        if weights == "pretrained" and (note := weights_note(model)):
            notes.append(f"{model}: {note}")
        if model not in REGISTRY and known_folder(model) is not None:
            found = checkpoint_tokenizer(model).notes
            found += check_checkpoint(model) if weights == "pretrained" else ()
            notes += [f"{model}: {note}" for note in found]
    return list(dict.fromkeys(notes))


def _check_model(model: str, where: str) -> None:
    is_a_file = is_file(model)
    if is_known(model):
        check_obtainable(model)
        return
    if model in FAMILIES or path_kind(model) == "folder":
        return
    if is_hub_id(model) and not is_a_file:
        return
    if is_a_file or model in OWNERS or model.partition("@")[0] in KNOWN_NAMES:
        raise UserError(f"{where} {model!r} {not_a_model(model)}")
    if "," in model:
        raise UserError(
            f"{where} {model!r}: one model or family at a time; `compare` sets studies side by side"
        )
    known = closest(model, dict.fromkeys([*FAMILIES, *KNOWN_NAMES]))
    raise UserError(f"{where} {model!r} is not a known model, a folder, or a hub id 'owner/name': {known}")


def _state(record: Record | None) -> tuple[State, str | None]:
    """The state of a run by its record, and the reason if it failed before."""
    if record is None or record.status == "skipped":
        return "todo", None
    if record.status == "failed":
        return "failed", f"failed before: {record.reason}"
    return "done", None


def _obstacle(rows: list[Row], obstacle_of: Callable[[str, bool], str | None]) -> str | None:
    """Why the run cannot be done here; None if it can, as far as is known without trying."""
    recipe = rows[0].recipe
    if all(row.excluded for row in rows):
        return rows[0].excluded
    if recipe.backbone is None:
        return None
    return obstacle_of(recipe.model, recipe.weights == "pretrained")


def _model_obstacle(reachable: Callable[[str], bool], model: str, pretrained: bool) -> str | None:
    """Why a model cannot be opened here, None if it can. Raises UserError if a local folder is at fault."""
    try:
        config = known_config(model)
        if config is not None and model not in REGISTRY:
            checkpoint_tokenizer(model)
        if pretrained:
            check_checkpoint(model)
    except UserError as error:
        if is_local_folder(model):
            raise
        return str(error)
    needs_file = config is None or pretrained
    if needs_file and cached_checkpoint(model) is None and not reachable(model):
        return f"the weights of {model} are not on this machine and cannot be downloaded from here"
    return None
