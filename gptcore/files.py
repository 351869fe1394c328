"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from gptcore.errors import UserError
from gptcore.paths import path_kind

REMEDY = "make room or the folder writable"


def write_whole(path: Path, content: str | bytes, remedy: str = REMEDY) -> None:
    """Write a file (text as UTF-8, newlines as they are) so that no reader, kill or power cut sees half of it.

    Raises UserError, which ends with `remedy`, where that cannot be done: disk full, folder read-only.
    """
    with replacing(path, remedy) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path, remedy: str = REMEDY) -> Iterator[Path]:
    """A new path in the same folder, to be written in the block; it takes the place of `path` when the block ends.

    Where the block raises, `path` stays as it was. Raises UserError as `write_whole` does.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            _sync(part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        _sync(path.parent)  # makes the new name last through a power cut
    except OSError as error:
        raise cannot_write(path, error, remedy) from error


def replace_files(folder: Path, files: Mapping[str, bytes], known: Iterable[str]) -> None:
    """Write files that belong together into a folder, which is made, and remove those of `known` that are not among
    them. The last file makes the others valid: it goes first and comes last.

    Raises UserError where one cannot be written; the folder is then as it was.
    """
    part, made = folder / f".{uuid.uuid4().hex}.part", path_kind(folder) is None
    *_, seal = files
    try:
        part.mkdir(parents=True)
        for name, content in files.items():
            (part / name).write_bytes(content)
        sync_folder(part)
        for name in (seal, *(name for name in known if name not in files)):
            (folder / name).unlink(missing_ok=True)
        for name in files:
            (part / name).replace(folder / name)
        part.rmdir()
        _sync(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        if made:
            with suppress(OSError):  # it was never there, or is no longer empty
                folder.rmdir()
        raise cannot_write(folder, error) from error


def usual_mode(*paths: Path) -> None:
    """Give files the mode of any new file: some libraries write theirs for the owner alone. Raises OSError."""
    for path in paths:
        new = path.with_name(f".{uuid.uuid4().hex}.new")
        new.touch()
        try:
            path.chmod(new.stat().st_mode)
        finally:
            new.unlink()


def sync_folder(folder: Path) -> None:
    """Wait until a folder of files is on the disk, so that it may be moved to its place. Raises OSError."""
    for path in (*folder.iterdir(), folder):
        _sync(path)


def cannot_write(path: Path, error: OSError, remedy: str = REMEDY) -> UserError:
    """What to say where the system refuses to write. remedy: unless the error itself has another."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        remedy = "allow more open files, see ulimit -n"
    return UserError(f"cannot write {path} ({error.strerror or error}): {remedy}")


def _sync(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
