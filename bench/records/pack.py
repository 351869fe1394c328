"""Packs the records of a study into one compressed file, for a repository or an archive."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from bench.records.store import load_run
from bench.records.stored import PACKED, RUNS, StoredRun, packed_line, packed_runs, stored_runs
from gptcore.errors import UserError
from gptcore.files import cannot_write, replacing
from gptcore.locks import held


@dataclass(frozen=True)
class PackedRuns:
    """What `pack` did: records in the file, bytes of the files in runs/ that it took the place of, and its own."""

    n_records: int
    bytes_before: int
    bytes_after: int


def folders_with_records(folder: Path) -> list[Path]:
    """A study's folder, and those in it: of its tuning, of several data sets, of a recommendation. Raises UserError.

    Only folders with records that are not packed; none where all are.
    """
    found = sorted(where.parent for where in folder.rglob(RUNS) if any(where.glob("*.json")))
    if not found and not any(folder.rglob(PACKED)):
        raise UserError(f"{folder} holds no records: name a study's folder, such as results/NAME")
    return found


def pack(folder: Path) -> PackedRuns:
    """Move every record of a folder's runs/ into its runs.jsonl.xz. Values are kept to the last digit.

    The new file is read again and compared before any other is removed. Raises UserError, and leaves all as it was,
    where a file is no record, a process is at a run, or nothing can be written.
    """
    if (busy := next(held(folder), None)) is not None:
        raise UserError(f"a process is at {busy} in {folder}: pack the study when it has ended")
    own = [run.path for run in stored_runs(folder) if run.line is None]
    n_bytes = sum(path.stat().st_size for path in own)
    target = folder / PACKED
    if own:
        with replacing(target) as part:
            _write(part, stored_runs(folder))
            _check(part, folder)
    try:
        for path in own:
            path.unlink()
        if (folder / RUNS).is_dir() and not any((folder / RUNS).iterdir()):
            (folder / RUNS).rmdir()
    except OSError as error:
        raise cannot_write(folder, error) from error
    n_records = sum(1 for _ in stored_runs(folder))
    return PackedRuns(n_records, n_bytes, target.stat().st_size if n_records else 0)


def _write(path: Path, runs: Iterable[StoredRun]) -> None:
    with lzma.open(path, "wb") as file:
        for run in runs:
            load_run(run)  # refuses what is no record
            file.write(packed_line(run))


def _check(path: Path, folder: Path) -> None:
    for there, packed in zip_longest(stored_runs(folder), packed_runs(path)):
        if there is None or packed is None or json.loads(there.read()) != json.loads(packed.read()):
            raise UserError(f"{folder} changed while it was packed: pack it again")
