"""Brings together records of one study that machines made apart. All is checked before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.records.record import Record, Status
from bench.records.store import MANIFEST, load_run, load_study, save_study
from bench.records.stored import StoredRun, record_path, stored_run, stored_runs
from bench.records.study import Row, Study
from bench.run.same_study import difference
from gptcore.errors import UserError
from gptcore.files import write_whole
from gptcore.locks import is_held, lock
from gptcore.paths import path_kind

MOST_NAMED = 5  # conflicts in one message
LONGEST_VALUE = 40  # characters of a value that is shown
_FROM_MANIFEST = (
    "matrix",
    "engine",
    "baseline",
    "metric",
    "margin",
    "scheme",
    "models",
)  # that parts of one study have in common


@dataclass(frozen=True)
class Collected:
    """What came together: records in the folder, those that were new there, and what was left out."""

    n_records: int
    n_new: int
    n_duplicates: int
    n_replaced: int  # failed or skipped here, done elsewhere


@dataclass(frozen=True)
class _Found:
    """A study's record, and what it says in few bytes."""

    folder: Path
    where: str  # for messages
    status: Status
    data: str
    result: str
    content: str  # digest of what is stored


def collect(folders: Sequence[Path], out: Path) -> Collected:
    """Merge the records and manifests of some folders into the study at `out`, whose own records come first.

    They are read also where `out` has no manifest yet, as it may be that of a run or a merge that was interrupted.

    Records of one run are equal where data and test predictions are: the first is kept, its times with it. A run that
    is done anywhere stands for one that failed or was skipped elsewhere. Raises UserError, before anything is written,
    where the folders are not of one study, where two records of one run conflict, and where a process is at a run.
    Where a run begins or changes while records are written, it raises UserError too: the same call goes on from there.
    """
    parts = list(dict.fromkeys([*([out] if path_kind(out / MANIFEST) else []), *folders]))
    study = _merged({folder: load_study(folder) for folder in parts}).model_copy(update={"name": out.name})
    kept: dict[str, _Found] = {}
    there: dict[str, _Found] = {}
    conflicts: list[str] = []
    n_duplicates = n_replaced = 0
    for folder in dict.fromkeys([out, *parts]):
        for run in stored_runs(folder):
            name, found = run.run_id, _read(run, folder, study)
            if folder == out:
                there[name] = found
            other = kept.get(name)
            if other is None:
                kept[name] = found
            elif _rank(found) != _rank(other):
                n_replaced += 1
                kept[name] = min(other, found, key=_rank)
            elif found.status == "done" and (found.data, found.result) != (other.data, other.result):
                what = "data" if found.data != other.data else "test predictions"
                conflicts.append(f"{name} ({other.where} and {found.where} have different {what})")
            else:
                n_duplicates += 1
    if conflicts:
        more = f" and {len(conflicts) - MOST_NAMED} more" if len(conflicts) > MOST_NAMED else ""
        raise UserError(
            f"{len(conflicts)} runs conflict: {'; '.join(conflicts[:MOST_NAMED])}{more}: nothing was written; "
            "move away the record that is wrong"
        )
    new = {name: found for name, found in kept.items() if found.folder != out}
    if busy := next((name for name in new if is_held(out, name)), None):
        raise _busy(busy, out)
    for name, found in new.items():
        _write(out, name, found, there.get(name))
    save_study(out, study)
    return Collected(len(kept), len(new), n_duplicates, n_replaced)


def _write(out: Path, name: str, found: _Found, before: _Found | None) -> None:
    """Copy a record while no process can be at its run. before: what is there. Raises UserError where one changed."""
    with lock(out, name) as is_ours:
        if not is_ours:
            raise _busy(name, out)
        now, copied = stored_run(out, name), stored_run(found.folder, name)
        content = copied.read() if copied else b""
        if (now and _sha256(now.read())) != (before and before.content) or _sha256(content) != found.content:
            raise UserError(f"run {name} has changed meanwhile: it was not copied to {out}: collect again")
        write_whole(record_path(out, name), content)


def _busy(name: str, out: Path) -> UserError:
    return UserError(f"a process is at run {name} in {out}: collect when it has ended")


def _rank(found: _Found) -> int:
    """Lower is kept."""
    return ("done", "failed", "skipped").index(found.status)


def _read(run: StoredRun, folder: Path, study: Study) -> _Found:
    """A record, checked against the study. Raises UserError."""
    content = _sha256(run.read())
    record = load_run(run)
    if record.status != "skipped" and (what := difference(record, study)):
        raise UserError(f"{folder} holds {what}: only parts of one study can be collected")
    return _Found(folder, str(run), record.status, _digest(_data(record)), _digest(_result(record)), content)


def _data(record: Record) -> object:
    return [record.recipe.choices(), record.seeds.model_dump(), record.dataset.fingerprint]


def _result(record: Record) -> object:
    """What was predicted: equal machines make it equal, and times never are."""
    accuracy = record.metrics.test.correct if record.metrics else None
    return [accuracy, record.test and [record.test.labels, record.test.predicted]]


def _digest(content: object) -> str:
    return _sha256(json.dumps(content, sort_keys=True).encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _merged(studies: dict[Path, Study]) -> Study:
    """The manifest with the rows of all and the longest list of seeds. Raises UserError where two contradict."""
    (first_folder, merged), *others = studies.items()
    for folder, study in others:
        for field in _FROM_MANIFEST:
            if getattr(study, field) != getattr(merged, field):
                values = [str(getattr(each, field)) for each in (merged, study)]
                shown = f" ({' and '.join(values)})" if max(map(len, values)) <= LONGEST_VALUE else ""
                raise _not_one(first_folder, folder, f"{field} differs{shown}")
        if study.dataset.source_fingerprint != merged.dataset.source_fingerprint:
            raise _not_one(first_folder, folder, f"data {merged.dataset.name} and {study.dataset.name}")
        shorter, longer = sorted((merged.seeds, study.seeds), key=len)
        if longer[: len(shorter)] != shorter:
            raise _not_one(first_folder, folder, "seeds differ")
        for model in merged.checkpoints.keys() & study.checkpoints.keys():
            if merged.checkpoints[model] != study.checkpoints[model]:
                raise _not_one(first_folder, folder, f"checkpoint files of {model} differ")
        merged = merged.model_copy(
            update={
                "rows": _rows(merged.rows, study.rows, first_folder, folder),
                "seeds": longer,
                "questions": merged.questions | study.questions,
                "checkpoints": merged.checkpoints | study.checkpoints,
                "notes": _each_once(merged.notes, study.notes),
                "warnings": _each_once(merged.warnings, study.warnings),
                "tuned": merged.tuned + [one for one in study.tuned if one not in merged.tuned],
                "budget": None,  # of a call for one of the parts
                "ended": None,
                "looks": sorted({*(merged.looks or []), *(study.looks or [])}) or merged.looks,
            }
        )
    return Study.model_validate(merged.model_dump())


def _rows(ours: list[Row], theirs: list[Row], first: Path, folder: Path) -> list[Row]:
    by_name = {row.name: row for row in ours}
    for row in theirs:
        if by_name.setdefault(row.name, row) != row:
            raise _not_one(first, folder, f"row {row.name!r} differs")
    return list(by_name.values())


def _each_once(ours: Iterable[str], theirs: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*ours, *theirs]))


def _not_one(first: Path, folder: Path, what: str) -> UserError:
    return UserError(
        f"{first} and {folder} are not parts of one study: {what}; collect them into two folders, or run one of them "
        "again as the other was"
    )
