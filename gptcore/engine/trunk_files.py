"""Hidden states in files that are mapped into memory: for trunks that memory has no room for.

A trunk is a file of plain numbers beside a description that is written last. What is not whole (no description,
another size, another checksum) is never used. Processes may share the folder: who wants a trunk takes its lock,
which the system gives back when the owner dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gptcore.errors import UserError
from gptcore.files import write_whole
from gptcore.locks import lock

DISK_SHARE = 0.5  # of what is free, trunks that lie there included
CHECKED_AT_A_TIME = 2**24  # bytes


@dataclass(frozen=True)
class TrunkFiles:
    """The trunks in a folder, the least recently used out first. limit_bytes: by default half of the free disk."""

    folder: Path
    limit_bytes: int | None = None

    @contextmanager
    def lock(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Held while a trunk is looked for and, where it is not there, computed; False where another has it.

        A folder that cannot be written to is shared by nobody who writes: it needs no lock.
        """
        with ExitStack() as held:
            try:
                mine = held.enter_context(lock(self.folder, name, wait=wait))
            except UserError:
                mine = True
            yield mine

    def create(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor | None:
        """Zeros in a new file, to be filled and then given to `commit`; None where there is no room."""
        n_bytes = dtype.itemsize * torch.Size(shape).numel()
        self.remove(name)
        try:
            self._make_room(n_bytes)
            with self._states(name).open("xb") as file:
                # Room is taken now: writing to a map on a full disk would kill the process.
                os.posix_fallocate(file.fileno(), 0, n_bytes)
        except OSError:
            self.remove(name)
            return None
        return _map(self._states(name), shape, dtype)

    def commit(self, name: str, states: Tensor, seconds: float) -> None:
        """Describe a filled file, which makes it a trunk. seconds: what computing it took.

        Where there is no room even for that, it stays this process's own.
        """
        about = {
            "shape": list(states.shape),
            "dtype": str(states.dtype).removeprefix("torch."),
            "crc32": _checksum(states),
            "seconds": seconds,
        }
        try:
            write_whole(self._description(name), json.dumps(about))
        except UserError:
            self.remove(name)

    def find(self, name: str, shape: tuple[int, ...]) -> tuple[Tensor, float] | None:
        """States and the seconds that they took, where a whole file is there; what is not whole is removed."""
        try:
            about = json.loads(self._description(name).read_text())
            dtype = getattr(torch, about["dtype"])
            size = self._states(name).stat().st_size
            if tuple(about["shape"]) == shape and size == dtype.itemsize * torch.Size(shape).numel():
                states = _map(self._states(name), shape, dtype)
                if _checksum(states) == about["crc32"]:
                    self.touch(name)
                    return states, float(about["seconds"])
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError):
            pass  # foreign or torn
        self.remove(name)
        return None

    def touch(self, name: str) -> None:
        """Say that a trunk was used just now."""
        with contextlib.suppress(OSError):
            os.utime(self._description(name))

    def remove(self, name: str) -> None:
        """Forget a trunk, where it can be removed; a process that has it mapped keeps it."""
        for path in (self._description(name), self._states(name)):
            with contextlib.suppress(OSError):
                path.unlink()

    def _make_room(self, n_bytes: int) -> None:
        """Remove the least recently used trunks until so many bytes more are within the limit. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.lock("room"):
            described, files = self._stats("*.json"), self._stats("*.states")
            sizes = {name: stat.st_size for name, stat in files.items()}
            ages = {name: described.get(name, stat).st_mtime for name, stat in files.items()}
            limit = self.limit_bytes
            if limit is None:
                free = shutil.disk_usage(self.folder).free
                limit = int((free + sum(sizes.values())) * DISK_SHARE)
            for name in sorted(ages, key=ages.__getitem__):
                if sum(sizes.values()) + n_bytes <= limit:
                    break
                with self.lock(name, wait=False) as mine:
                    if mine:  # no process is at it
                        self.remove(name)
                        del sizes[name]
            if sum(sizes.values()) + n_bytes > limit:
                raise OSError(f"no room for {n_bytes} bytes within the limit of {limit}")

    def _stats(self, pattern: str) -> dict[str, os.stat_result]:
        found = {}
        for path in self.folder.glob(pattern):
            with contextlib.suppress(FileNotFoundError):  # another process has just removed it
                found[path.stem] = path.stat()
        return found

    def _states(self, name: str) -> Path:
        return self.folder / f"{name}.states"

    def _description(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def _map(path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    size = torch.Size(shape).numel()
    return torch.from_file(str(path), shared=True, size=size, dtype=dtype).view(shape)


def _checksum(states: Tensor) -> int:
    content, found = states.numpy().reshape(-1).view("uint8").data, 0
    for begin in range(0, len(content), CHECKED_AT_A_TIME):
        found = zlib.crc32(content[begin : begin + CHECKED_AT_A_TIME], found)
    return found
