"""A checkpoint's identity: the SHA-256 of its files, kept so that large ones are not read at every run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from pathlib import Path

from gptcore.backbones.checkpoint_files import CONFIG_FILE, tokenizer_files, weight_files
from gptcore.backbones.checkpoints import cached_checkpoint, has_own_tokenizer
from gptcore.data.assets import cache_dir
from gptcore.errors import UserError
from gptcore.files import write_whole

CHUNK_BYTES = 2**20
# A file that has just changed may change again without another time stamp: its digest is not kept.
SETTLED_S = 2.0


def checkpoint_fingerprint(name_or_path: str | Path) -> str | None:
    """SHA-256 (hex) over a checkpoint's weight files, config and tokenizer files; None where it is not at hand.

    Only files that are read count, and of the registry's models no tokenizer files: those have theirs by name.
    A registry name, a folder, or a hub id in the cache. Digests of files are kept in the user's cache folder, by
    path, size, times and inode. Downloads nothing. Raises UserError where a file cannot be read.
    """
    files = checkpoint_files(name_or_path)
    if files is None:
        return None
    digest = hashlib.sha256()
    for name, sha256 in files.items():
        digest.update(f"{name} {sha256}\n".encode())
    return digest.hexdigest()


def checkpoint_files(name_or_path: str | Path) -> dict[str, str] | None:
    """The SHA-256 (hex) of each file that `checkpoint_fingerprint` counts, by name; None where it is not at hand."""
    folder = cached_checkpoint(name_or_path)
    if folder is None:
        return None
    tokenizer = tokenizer_files(folder) if has_own_tokenizer(str(name_or_path)) else []
    return {
        path.name: file_digest(path) for path in [*weight_files(folder), folder / CONFIG_FILE, *tokenizer]
    }


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes, from the cache where the file is unchanged. Raises UserError."""
    try:
        state = _state(path)
        kept_at = cache_dir() / "digests" / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()}.json"
        if (known := _kept(kept_at, state)) is not None:
            return known
        found = _sha256(path)
        settled = _state(path) == state and time.time_ns() - max(state[1:3]) > SETTLED_S * 1e9
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    if settled:
        with contextlib.suppress(UserError):  # a cache that cannot be written costs time only
            write_whole(kept_at, json.dumps({"state": state, "sha256": found}).encode())
    return found


def _state(path: Path) -> list[int]:
    """What differs once a file was written to: size, times of content and of inode (ns), inode, device."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev]


def _kept(path: Path, state: list[int]) -> str | None:
    try:
        kept = json.loads(path.read_bytes())
        return str(kept["sha256"]) if kept["state"] == state else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # none yet, or a damaged one
        return None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
