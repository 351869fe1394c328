"""What a path leads to, answered for every name a user can type."""

from __future__ import annotations

import errno
import stat
from pathlib import Path
from typing import Literal

from gptcore.errors import UserError


def path_kind(path: str | Path) -> Literal["file", "folder"] | None:
    """What stands at `path`, links followed; None where nothing does. A device or a pipe counts as a file.

    `Path.exists` and its kin raise for names that are too long, hold NUL or stand in a folder that may not be
    entered, or answer False. Here each of them is a UserError.
    """
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{_short(path)}: {_reason(error)}") from error
    return "folder" if stat.S_ISDIR(mode) else "file"


def _reason(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "permission denied: ask for access, or use another path"
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return "the name is longer than the file system allows: use a shorter one"
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"not a path that can be used ({reason}): use another"


def _short(path: str | Path) -> str:
    text = str(path)
    return text if len(text) <= 200 else f"{text[:80]}…{text[-40:]}"
