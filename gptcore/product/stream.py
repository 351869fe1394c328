"""A file of texts in, the same file with answers out: in constant memory, whole or not at all, and resumed.

Answers go to a hidden file beside the output, with a note of how far they reach; the same command goes on from there.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gptcore.classifier import DESCRIPTION, TENSORS, TextClassifier
from gptcore.data.options import ReadOptions
from gptcore.errors import UserError
from gptcore.files import cannot_write, write_whole
from gptcore.paths import path_kind
from gptcore.product.answers import Answers, Long, answer, check_long
from gptcore.product.row_files import Row, RowFile, open_rows

ROWS_AT_A_TIME = 4096
TELL_EVERY_S = 5.0


@dataclass(frozen=True)
class Request:
    """What is asked. prefix: before the names of the added columns; long, abstain: as in `answer`."""

    folder: Path
    file: Path
    out: Path
    options: ReadOptions = field(default_factory=ReadOptions)
    long: Long = "head"
    abstain: float = 0.0
    prefix: str = ""

    @property
    def names(self) -> list[str]:
        """Of the columns that are added."""
        return [self.prefix + name for name in ("label", "probability", "cut")]


class Counts(BaseModel):
    """Rows that were answered, by label; that were cut; without a text; and too uncertain for a label."""

    model_config = ConfigDict(extra="forbid")

    rows: int = Field(default=0, ge=0)
    labels: dict[str, int] = {}
    cut: int = 0
    blank: int = 0
    abstained: int = 0


class _State(BaseModel):
    """How far the hidden file reaches: bytes that are surely on the disk, and what was counted in them."""

    model_config = ConfigDict(extra="forbid")

    request: str
    n_bytes: int = Field(ge=0)
    counts: Counts


def open_request(request: Request) -> RowFile:
    """The file of a request, and all that can be said before a classifier is loaded.

    Raises UserError for no file, for an output that is there, and for columns that the file has already.
    """
    if path_kind(request.file) != "file":
        raise UserError(f"--file {request.file}: no such file, name the one to classify")
    if path_kind(request.out) is not None:
        raise UserError(f"--out {request.out} exists: remove it or name another file")
    if request.out.suffix.lower() != request.file.suffix.lower():
        raise UserError(
            f"--out {request.out}: answers are written as {request.file.suffix}, like the file: name it so"
        )
    file = open_rows(request.file, request.options)
    if clash := [name for name in request.names if name in file.columns]:
        raise UserError(
            f"{request.file} has a column {clash[0]!r} already: add --prefix predicted_ (or another) to the new ones"
        )
    return file


def predict_file(
    classifier: TextClassifier,
    request: Request,
    progress: Callable[[str], None] | None = None,
    file: RowFile | None = None,
) -> Counts:
    """Write `request.out`. progress: called with a line now and then; file: as `open_request` gave it, if it did.

    Raises UserError.
    """
    tell = progress or (lambda _: None)
    check_long(classifier, request.long)
    file, names = file or open_request(request), request.names
    hidden = request.out.with_name(f".{request.out.name}.part")
    note = request.out.with_name(f".{request.out.name}.part.json")
    with _held(hidden, request.out) as part:
        state = _resumed(note, part, _digest(request, file)) or _begun(
            part, file, names, _digest(request, file)
        )
        if state.counts.rows:
            tell(f"resuming at row {state.counts.rows + 1:,} of {file.n_rows:,}")
        _write_answers(classifier, request, file, names, part, note, state, tell)
        hidden.replace(request.out)
        note.unlink(missing_ok=True)
    return state.counts


def _write_answers(
    classifier: TextClassifier,
    request: Request,
    file: RowFile,
    names: list[str],
    part: BinaryIO,
    note: Path,
    state: _State,
    tell: Callable[[str], None],
) -> None:
    began, begun_at, told = time.monotonic(), state.counts.rows, time.monotonic()
    rows = islice(file.rows(), begun_at, None)
    while some := list(islice(rows, ROWS_AT_A_TIME)):
        found = answer(classifier, [row.text for row in some], request.long, request.abstain)
        part.write("".join(_lines(file, some, found, names)).encode())
        _count(state.counts, found)
        part.flush()
        os.fsync(part.fileno())
        state.n_bytes = part.tell()
        write_whole(note, state.model_dump_json())
        if (now := time.monotonic()) - told > TELL_EVERY_S:
            a_second = (state.counts.rows - begun_at) / (now - began)
            tell(f"{state.counts.rows:,} of {file.n_rows:,} rows, {a_second:,.0f} a second")
            told = now
    if state.counts.rows != file.n_rows:
        raise UserError(f"{request.file} has changed while it was read: run the same command again")


def _lines(file: RowFile, rows: list[Row], found: Answers, names: list[str]) -> Iterator[str]:
    for row, label, probability, cut in zip(rows, found.labels, found.probabilities, found.cut, strict=True):
        values = (label, round(float(probability), 6), "true" if cut else "false")
        yield file.line(row, dict(zip(names, values, strict=True)))


def _count(counts: Counts, found: Answers) -> None:
    counts.rows += len(found.labels)
    counts.labels = dict(Counter(counts.labels) + Counter(label for label in found.labels if label))
    counts.cut += int(found.cut.sum())
    blank = int((found.probabilities == 0).sum())
    counts.blank += blank
    counts.abstained += found.labels.count("") - blank


@contextmanager
def _held(hidden: Path, out: Path) -> Iterator[BinaryIO]:
    """The hidden file, for this process alone. Raises UserError."""
    try:
        hidden.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(hidden, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as part:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"another process is writing {out}: wait for it or name another file"
                ) from None
            yield part
    except OSError as error:
        raise cannot_write(out, error) from error


def _begun(part: BinaryIO, file: RowFile, names: list[str], digest: str) -> _State:
    part.seek(0)
    part.truncate()
    part.write(file.header(names).encode())
    return _State(request=digest, n_bytes=part.tell(), counts=Counts())


def _resumed(note: Path, part: BinaryIO, digest: str) -> _State | None:
    """Where to go on; None where nothing of the same request is there."""
    try:
        state = _State.model_validate_json(note.read_bytes())
    except (OSError, ValidationError):
        return None
    if state.request != digest or os.fstat(part.fileno()).st_size < state.n_bytes:
        return None
    part.truncate(state.n_bytes)
    part.seek(state.n_bytes)
    return state


def _digest(request: Request, file: RowFile) -> str:
    """Of all that decides the output: the file, the classifier, and how it is asked."""
    weights = hashlib.sha256()
    for name in (DESCRIPTION, TENSORS):
        weights.update((request.folder / name).read_bytes())
    said = [
        file.digest,
        weights.hexdigest(),
        str(request.options),
        request.long,
        request.abstain,
        request.prefix,
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
