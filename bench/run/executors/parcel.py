"""What a session needs on a machine that shares no folder with this one. Imports no torch.

Data travel as they are; of the models those that are folders of this machine do, by the digest of their files. All
other models are named, and each machine has or fetches them as this one does.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import bench
import gptcore
from bench.records.record import Record
from bench.run.executors.base import Job
from bench.run.worker import SessionSpec
from gptcore.backbones.checkpoints import is_local_folder, known_folder
from gptcore.backbones.fingerprint import checkpoint_files, checkpoint_fingerprint
from gptcore.data.assets import cache_dir
from gptcore.errors import UserError
from gptcore.files import write_whole
from gptcore.locks import lock
from gptcore.recipe import Recipe

Files = Mapping[str, Any]  # a file's name -> a reference to its bytes


@dataclass(frozen=True)
class Parcel:
    """A session's specification and the files that it needs. code: digest of the project's code, see `code_digest`."""

    spec: SessionSpec
    folders: Mapping[str, Files]  # by model
    code: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


def pack(spec: SessionSpec, put: Callable[[bytes], Any]) -> Parcel:
    """put: a reference to some bytes, by which a machine gets them once it asks. Raises UserError."""
    folders = {}
    for model in spec.checkpoints:
        folder = known_folder(model)
        if is_local_folder(model) and folder is not None:
            names = checkpoint_files(model) or {}
            folders[model] = {name: put((folder / name).read_bytes()) for name in names}
    return Parcel(spec, folders, code_digest())


@dataclass(frozen=True)
class Unpacked:
    """A session's specification as it holds on this machine, and the models that are elsewhere here."""

    spec: SessionSpec
    places: Mapping[str, str]

    def job(self, job: Job) -> Job:
        """The job as it can be done here."""
        runs = [replace(run, recipe=_at(run.recipe, self.places)) for run in job.runs]
        return replace(job, runs=tuple(runs))

    def record(self, record: Record, asked: Recipe) -> Record:
        """The record of a run as it was asked for: a model's place on this machine is nobody's business."""
        if asked == record.recipe:
            return record
        run_id = f"{asked.id}-s{record.seed_index}"
        return record.model_copy(update={"recipe": asked, "recipe_id": asked.id, "run_id": run_id})


def unpack(parcel: Parcel, get: Callable[[Any], bytes]) -> Unpacked:
    """Put what is missing here into the cache folder, each checkpoint once. Raises UserError.

    get: the bytes behind a reference.
    """
    if parcel.code != code_digest():
        raise UserError(
            "a machine of the cluster has other code of this project than the one that drives it: install the same "
            "version on all of them"
        )
    spec = parcel.spec
    places = {
        model: str(_place(model, spec.checkpoints[model], files, get))
        for model, files in parcel.folders.items()
    }
    checkpoints = dict(spec.checkpoints) | {place: spec.checkpoints[model] for model, place in places.items()}
    baseline = None if spec.baseline is None else _at(spec.baseline, places)
    return Unpacked(replace(spec, checkpoints=checkpoints, baseline=baseline), places)


def _at(recipe: Recipe, places: Mapping[str, str]) -> Recipe:
    if recipe.model not in places:
        return recipe
    return recipe.model_copy(update={"model": places[recipe.model]})


def _place(model: str, digest: str, files: Files, get: Callable[[Any], bytes]) -> Path:
    """Where a checkpoint of that digest lies here."""
    if checkpoint_fingerprint(model) == digest:
        return Path(model)
    store = cache_dir() / "checkpoints"
    folder = store / digest / Path(model).name  # records name the folder, so its name stays
    with lock(store, digest, wait=True):
        if checkpoint_fingerprint(folder) != digest:
            for name, reference in files.items():
                write_whole(folder / name, get(reference))
        if checkpoint_fingerprint(folder) != digest:
            raise UserError(
                f"the checkpoint of {Path(model).name} changed while it was sent: run the study again"
            )
    return folder


@cache
def code_digest() -> str:
    """SHA-256 (hex) over the project's source files as they are on this machine."""
    digest = hashlib.sha256()
    for package in (gptcore, bench):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()
