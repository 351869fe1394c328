"""Where the records of a study are: one file each in runs/, or, of a packed study, the lines of runs.jsonl.xz.

A file in runs/ stands for its run whatever the packed ones say: a run that is repeated writes such a file.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from heapq import merge
from pathlib import Path
from typing import Any

from bench.records.shorter import lengthen, shorten
from gptcore.errors import UserError
from gptcore.paths import path_kind

RUNS = "runs"
PACKED = "runs.jsonl.xz"  # one record a line, sorted by run id, which comes first in each
_RUN_ID = re.compile(rb'\{"run_id":"([A-Za-z0-9._-]+)"')


@dataclass(frozen=True)
class StoredRun:
    """A run's record as it is stored. `path` is its own file, or that of the packed study, whose `line` it is."""

    run_id: str
    path: Path
    line: bytes | None = None

    def __str__(self) -> str:
        return str(self.path) if self.line is None else f"{self.path} ({self.run_id})"

    def read(self) -> bytes:
        """The record as JSON. Raises UserError where its file cannot be read."""
        if self.line is not None:
            return _in_full(self)
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise UserError(f"{self.path} cannot be read: {error.strerror}") from error


def packed_line(run: StoredRun) -> bytes:
    """The record's line in the file of a packed study. Raises UserError where its file cannot be read."""
    content = json.loads(run.read())
    if (content.get("test") or {}).get("probabilities"):
        content["test"] = shorten(content["test"])
    first = {"run_id": run.run_id}  # by which a reader finds it
    return _to_bytes(first | content) + b"\n"


def _in_full(run: StoredRun) -> bytes:
    """The record of a packed line as it was before. Raises UserError where the line is damaged."""
    try:
        content = json.loads(run.line or b"")
        if (content.get("test") or {}).get("probabilities"):
            content["test"] = lengthen(content["test"])
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise _damaged(run.path, error) from error
    return _to_bytes(content)


def _to_bytes(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def record_path(folder: Path, run_id: str) -> Path:
    """Where the record of a run lies in a study's folder, unless the study is packed."""
    return folder / RUNS / f"{run_id}.json"


def stored_runs(folder: Path) -> Iterator[StoredRun]:
    """The records of a study's folder by run id; none where nothing ran yet. Raises UserError for a damaged file."""
    own = (StoredRun(path.stem, path) for path in _record_files(folder))
    last = None
    for run in merge(own, packed_runs(folder / PACKED), key=lambda run: run.run_id):
        if run.run_id != last:  # of two, the one in runs/ comes first
            yield run
        last = run.run_id


def stored_run(folder: Path, run_id: str) -> StoredRun | None:
    """The record of a run in a study's folder, None where there is none. Raises UserError for a damaged file."""
    path = record_path(folder, run_id)
    if path_kind(path):
        return StoredRun(run_id, path)
    packed = folder / PACKED
    if path_kind(packed) is None:
        return None
    stat = packed.stat()
    return _lines(packed, stat.st_mtime_ns, stat.st_size).get(run_id)


def packed_runs(path: Path) -> Iterator[StoredRun]:
    """The records of a packed study's file, in its order; none where there is no such file. Raises UserError."""
    if path_kind(path) is None:
        return
    try:
        with lzma.open(path) as lines:
            for line in lines:
                if (found := _RUN_ID.match(line)) is None:
                    raise ValueError("a line that does not begin with a run_id")
                yield StoredRun(found[1].decode(), path, line)
    except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path} is damaged ({error}): restore it from where it was packed, or move it away and run again"
    )


def _record_files(folder: Path) -> list[Path]:
    return sorted((folder / RUNS).glob("*.json"), key=lambda path: path.stem)


@lru_cache(maxsize=1)  # a study asks for one run after the other
def _lines(path: Path, _changed_ns: int, _size: int) -> dict[str, StoredRun]:
    return {run.run_id: run for run in packed_runs(path)}
