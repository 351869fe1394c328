"""The files of a data set, out of an archive or a folder: found by the end of their path, never unpacked to disk."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from gptcore.errors import UserError

MEMBER_LIMIT_BYTES = 256 * 2**20  # no file of these data sets is larger
ARCHIVES = (".tar.gz", ".tgz", ".zip")
DEPTH = 2  # folders that a user's copy may lie in below the one that was named


def is_archive(name: str) -> bool:
    """Whether a file of that name is opened as an archive."""
    return name.lower().endswith(ARCHIVES)


def member_key(path: str, patterns: Sequence[str]) -> str | None:
    """The end of a path that matches a pattern of as many parts; None where none does."""
    parts = PurePosixPath(path).parts
    for pattern in patterns:
        n = pattern.count("/") + 1
        if len(parts) >= n and all(map(fnmatchcase, parts[-n:], pattern.split("/"))):
            return "/".join(parts[-n:])
    return None


def archive_members(path: Path, patterns: Sequence[str]) -> dict[str, bytes]:
    """Contents of the members that match, by the end of their path. Raises UserError for what is no such archive."""
    found: dict[str, bytes] = {}
    try:
        if path.name.lower().endswith(".zip"):
            with zipfile.ZipFile(path) as opened:
                for info in opened.infolist():
                    if not info.is_dir() and (key := _free_key(info.filename, patterns, found, path)):
                        found[key] = _limited(opened.open(info), path, key)
        else:
            with tarfile.open(path, "r:gz") as tar:
                for member in tar:
                    if member.isfile() and (key := _free_key(member.name, patterns, found, path)):
                        content = tar.extractfile(member)
                        found[key] = _limited(content or io.BytesIO(), path, key)
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} is not an archive that can be read ({error}): fetch it again") from error
    return found


def folder_members(folder: Path, patterns: Sequence[str]) -> dict[str, bytes]:
    """The same for a folder, or for one in it."""
    found: dict[str, bytes] = {}
    for pattern in patterns:
        for path in sorted(_first_matches(folder, pattern)):
            if path.is_file() and (key := member_key(path.as_posix(), [pattern])):
                found[key] = path.read_bytes()
    return found


def _first_matches(folder: Path, pattern: str) -> Iterable[Path]:
    """Files that match in the folder itself, else one level down, else two."""
    for depth in range(DEPTH + 1):
        if matches := list(folder.glob("*/" * depth + pattern)):
            if len({path.parents[pattern.count("/")] for path in matches}) > 1:
                raise UserError(f"{folder} holds several copies of {pattern}: name the folder of one")
            return matches
    return []


def _free_key(name: str, patterns: Sequence[str], found: dict[str, bytes], path: Path) -> str | None:
    # What a Mac adds to an archive has the names of the real files.
    if name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith("._"):
        return None
    key = member_key(name, patterns)
    if key in found:
        raise UserError(f"{path} holds {key} twice: fetch it again")
    return key


def _limited(stream: object, path: Path, key: str) -> bytes:
    content: bytes = stream.read(MEMBER_LIMIT_BYTES + 1)  # type: ignore[attr-defined]
    if len(content) > MEMBER_LIMIT_BYTES:
        raise UserError(
            f"{path}: {key} is larger than {MEMBER_LIMIT_BYTES:,} bytes: not the file that is wanted"
        )
    return content
