"""The files in results/: study.json and the records of a study, and MODELS.json of `speed`. Written only here.

Every file is written atomically, so a study can be stopped at any time. Files of earlier schema
versions open.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from glob import escape
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from bench.records.groups import without_groups
from bench.records.record import SCHEMA_VERSION, Record
from bench.records.speed import SpeedStudy
from bench.records.stored import RUNS, StoredRun, record_path, stored_run, stored_runs
from bench.records.study import Study
from gptcore.errors import UserError, allowed
from gptcore.files import write_whole
from gptcore.paths import path_kind


def _to_version_2(raw: dict[str, Any]) -> dict[str, Any]:
    """`total_s` became `marginal_s`; everything else that is new is optional."""
    cost = raw.get("cost")
    if isinstance(cost, dict) and "total_s" in cost:
        cost = {("marginal_s" if name == "total_s" else name): value for name, value in cost.items()}
    return raw | {"cost": cost}


def _speed_to_version_2(raw: dict[str, Any]) -> dict[str, Any]:
    """Rows timed end to end got their own list; their memory was that of a process with other runs, so unknown."""
    whole, parts = [], {}
    for name in ("rows", "beyond", "by_length", "by_model"):
        parts[name] = [
            {key: value for key, value in row.items() if key != "whole"} for row in raw.get(name, [])
        ]
        for row, bare in zip(raw.get(name, []), parts[name], strict=True):
            if done := row.get("whole"):
                found = {engine: run | {"mem_bytes": None} for engine, run in done.items()}
                where = {key: raw.get(key) for key in ("environment", "created_at")}
                whole.append({"sliced": bare, **found, **where})
    return raw | parts | {"whole": whole, "schema_version": 2}


def _speed_to_version_3(raw: dict[str, Any]) -> dict[str, Any]:
    """Renames: `beyond` -> `extra_rows`, `whole` -> `end_to_end`, and in that `sliced` -> `extrapolated`."""
    whole = [
        {("extrapolated" if key == "sliced" else key): value for key, value in row.items()}
        for row in raw.get("whole", [])
    ]
    renamed = {"extra_rows": raw.get("beyond", []), "end_to_end": whole, "schema_version": 3}
    return {key: value for key, value in raw.items() if key not in ("beyond", "whole")} | renamed


RESULTS = Path("results")  # where studies lie unless a folder is named
MANIFEST = "study.json"  # in a study's folder


def _to_version_3(raw: dict[str, Any]) -> dict[str, Any]:
    """`peak_mem_bytes` was the whole process's, and is called so."""
    cost = raw.get("cost")
    if isinstance(cost, dict) and "peak_mem_bytes" in cost:
        names = {"peak_mem_bytes": "process_mem_bytes"}
        cost = {names.get(name, name): value for name, value in cost.items()}
    return raw | {"cost": cost}


# Schema version -> what turns the content of such a file into that of the next version.
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: _to_version_2,
    2: _to_version_3,
}
SPEED_UPGRADES: dict[Any, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: _speed_to_version_2,
    2: _speed_to_version_3,
}

_Model = TypeVar("_Model", bound=BaseModel)


def save_record(folder: Path, record: Record) -> Path:
    """Write a record; an earlier one of the same run is replaced. Raises UserError if that cannot be done."""
    path = record_path(folder, record.run_id)
    write_whole(path, _to_text(record))
    return path


def load_record(path: Path) -> Record:
    """The record in a file of its own. Raises UserError that names the file and the remedy if it is not a record."""
    return load_run(StoredRun(path.stem, path))


def load_run(run: StoredRun) -> Record:
    """A stored record. Raises UserError that names its file and the remedy if it is not a record."""
    content = run.read()
    record = _load_latest(content) or _load_any(content, run)
    if run.run_id != record.run_id:
        raise UserError(f"{run} holds the record of {record.run_id}: give it that name or move it away")
    return record


def _load_latest(content: bytes) -> Record | None:
    """A record of today's schema, read in one pass; None for any other, which `_load_any` knows more about."""
    try:
        record = Record.model_validate_json(content)
    except ValidationError:
        return None
    is_latest = record.schema_version == SCHEMA_VERSION and "schema_version" in record.model_fields_set
    return record if is_latest else None


def _load_any(content: bytes, run: StoredRun) -> Record:
    remedy = "move it away, and the run is repeated"
    return _parse(migrate(_decode(content, run, remedy), run), Record, run, remedy)


def find_record(folder: Path, run_id: str) -> Record | None:
    """The record of a run in a study's folder, None where there is none. Raises UserError like `load_record`."""
    run = stored_run(folder, run_id)
    return load_run(run) if run else None


def load_records(folder: Path, keep: Callable[[Record], Record] | None = None) -> dict[str, Record]:
    """Run id -> record of every finished run in a study's folder, sorted by id; none where nothing ran yet.

    keep: what of each record is kept in memory; None: all of it.

    Raises UserError for a file that is damaged or not a record.
    """
    runs = stored_runs(folder)
    return {run.run_id: keep(load_run(run)) if keep else load_run(run) for run in runs}


def named_record(run: str) -> Record:
    """A record by its file's path, or by the run's name, with its study's before it where several have it.

    Raises UserError where there is none, and where several studies have it.
    """
    path = Path(run)
    if path_kind(path) == "file":
        return load_record(path)
    name = path.name.removesuffix(".json")
    study = path.parent.parent if path.parent.name == RUNS else path.parent
    folders = [study] if study.name and path_kind(study) else sorted(RESULTS.glob(escape(study.name) or "*"))
    found = {folder: record for folder in folders if (record := find_record(folder, name))}
    if len(found) > 1:
        names = ", ".join(f"{folder.name}/{name}" for folder in found)
        raise UserError(f"run {run!r} is in several studies: name one of {names}")
    for record in found.values():
        return record
    raise UserError(f"run {run!r}: no such file, and no record of that name in {RESULTS}/{study.name or '*'}")


def save_study(folder: Path, study: Study) -> Path:
    """Write a study's manifest. Raises UserError if that cannot be done."""
    path = folder / MANIFEST
    write_whole(path, _to_text(study))
    return path


def load_study(folder: Path) -> Study:
    """A study's manifest. Raises UserError that names the file and the remedy if there is none."""
    path = folder / MANIFEST
    if path_kind(path) != "file":
        raise UserError(f"{folder} does not hold a study (no {MANIFEST}): `python -m bench run` creates one")
    remedy = "run the study again, which rewrites it and keeps its records"
    return _parse(_read(path, remedy), Study, path, remedy)


def speed_path(folder: Path, models: str) -> Path:
    """Path of the measurements of `speed` for these models."""
    return folder / f"{Path(models).name}.json"


def save_speed(path: Path, study: SpeedStudy) -> None:
    """Write the measurements of `speed`. Raises UserError if that fails."""
    write_whole(path, _to_text(study))


def load_speed(path: Path) -> SpeedStudy | None:
    """The measurements of `speed`, None if there is no such file. Raises UserError if it is damaged."""
    if path_kind(path) is None:
        return None
    remedy = "move it away, and time the rows again"
    raw = _read(path, remedy)
    try:
        while (version := raw.get("schema_version")) in SPEED_UPGRADES:
            raw = SPEED_UPGRADES[version](raw)
    except (AttributeError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}): {remedy}") from error
    return _parse(raw, SpeedStudy, path, remedy)


def migrate(raw: dict[str, Any], path: Path | StoredRun) -> dict[str, Any]:
    """A record's content as of today's schema. Raises UserError for a version that is unknown here."""
    version = raw.get("schema_version")
    if not isinstance(version, int) or version < 1:
        raise UserError(f"{path} is not a record (schema_version is {version!r}): move it away")
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{path} was written by a newer version of this project (schema {version}, known up to "
            f"{SCHEMA_VERSION}): update the project to read it"
        )
    while version < SCHEMA_VERSION:
        raw = UPGRADES[version](raw)
        version += 1
        raw = raw | {"schema_version": version}
    return raw


def dump_json(value: Any, indent: int = 0) -> str:
    """JSON in the order given, one key per line; lists stay on one line, to keep diffs small.

    A list of plain values is one line, a list of lists or objects has one line for each of them.
    """
    pad = "\n" + " " * (indent + 1)
    if isinstance(value, dict) and value:
        lines = [f"{json.dumps(key)}: {dump_json(item, indent + 1)}" for key, item in value.items()]
        return "{" + pad + f",{pad}".join(lines) + pad[:-1] + "}"
    if isinstance(value, list) and not {list, dict}.isdisjoint(kinds := set(map(type, value))):
        text = _line(value)[1:-1]  # one call for all lines: a record has thousands
        border = "], [" if kinds == {list} else "}, {"
        if len(kinds) > 1 or text.count(border) >= len(value):  # it is within a line too
            return "[" + pad + f",{pad}".join(map(_line, value)) + pad[:-1] + "]"
        return "[" + pad + text.replace(border, f"{border[0]},{pad}{border[-1]}") + pad[:-1] + "]"
    return _line(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def _line(value: Any) -> str:
    return _ENCODER.encode(value)


def _to_text(model: BaseModel) -> str:
    # Through pydantic's own JSON, which turns what is not finite into null.
    content = from_json(model.model_dump_json())
    type(model).model_validate(content)  # what could not be read again is never written
    return dump_json(without_groups(content)) + "\n"


def _read(path: Path, remedy: str) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    return _decode(content, path, remedy)


def _decode(raw: bytes, path: Path | StoredRun, remedy: str) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:  # no JSON, or no UTF-8
        raise UserError(f"{path} is damaged ({error}): {remedy}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a JSON object: {remedy}")
    return content


def _parse(raw: dict[str, Any], model: type[_Model], path: Path | StoredRun, remedy: str) -> _Model:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path} does not fit its schema ({field}: {allowed([first])}): {remedy}") from error
