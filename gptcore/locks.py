"""Who works on what, where several processes share a folder (of a study, of trunks): one lock file each, `locks/`.

The locks are the kernel's (flock(2)): they end with the process that holds them, however it ends, so none has to
expire by a clock. On NFS, Linux keeps them on the server (`docs/robustness.md` says what that means).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gptcore.errors import UserError
from gptcore.files import cannot_write

FOLDER = "locks"


@contextmanager
def lock(folder: Path, name: str, *, wait: bool = False) -> Iterator[bool]:
    """Hold the lock `name` of a folder; the value is False where another holder has it.

    wait: until the lock is free instead. Raises UserError where the folder cannot be written, or its file system
    has no locks.
    """
    path = folder / FOLDER / f"{name}.lock"
    handle = _acquire(path, wait)
    if handle is None:
        yield False
        return
    try:
        yield True
    finally:
        with suppress(OSError):
            path.unlink()  # while it is held: see _acquire
        os.close(handle)


def is_held(folder: Path, name: str) -> bool | None:
    """Whether a process holds the lock `name` now; None where the file system does not say. Writes nothing.

    It looks by taking a shared lock for an instant: whoever asks for the lock in that instant without `wait` is
    refused, and asks again.
    """
    try:
        handle = os.open(folder / FOLDER / f"{name}.lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(handle)
    return False


def held(folder: Path) -> Iterator[str]:
    """The names of a folder's locks that processes hold now, by name; looks as `is_held` does."""
    for path in sorted((folder / FOLDER).glob("*.lock")):
        if is_held(folder, path.stem):
            yield path.stem


def _acquire(path: Path, wait: bool) -> int | None:
    """The open, locked file; None where another process holds it."""
    while True:
        handle = _open(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError as error:
            os.close(handle)
            raise UserError(
                f"{path} cannot be locked ({error.strerror}): the file system has no flock; "
                "choose a folder on another file system"
            ) from error
        # Whoever held it before has removed the file: a lock on what is no longer there excludes nobody.
        if _is_file_of(handle, path):
            return handle
        os.close(handle)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise cannot_write(path, error) from error


def _is_file_of(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
