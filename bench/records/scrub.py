"""Program output made safe for a record: no secrets, no user folders, no control characters."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

TAIL_LINES = 40
LINE_LIMIT = 1000  # characters
_TAIL_BYTES = 2**16
_CRASH = "Fatal Python error"
_SECRET = re.compile(r"TOKEN|KEY|SECRET|PASS|CREDENTIAL|AUTH|COOKIE", re.IGNORECASE)
_URL_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def scrub(text: str) -> str:
    """One line without private data, at most LINE_LIMIT characters.

    Values of environment variables with secret-sounding names are replaced by the variable's name. Logins in URLs and
    the program's, home, temporary and current folders are replaced by placeholders.
    """
    text = _CONTROL.sub(" ", text)
    for value, name in sorted(_folders().items(), key=lambda item: -len(item[0])):
        text = re.sub(rf"{re.escape(value)}(?![\w.-])", name, text)
    for value, name in sorted(_secrets().items(), key=lambda item: -len(item[0])):
        text = text.replace(value, name)
    text = _URL_LOGIN.sub("LOGIN", text).rstrip()
    return text if len(text) <= LINE_LIMIT else text[: LINE_LIMIT - 1] + "…"


class Tail:
    """The last lines of an output of any length."""

    def __init__(self) -> None:
        self._bytes = b""

    def add(self, output: bytes) -> None:
        """More of it."""
        self._bytes = (self._bytes + output)[-_TAIL_BYTES:]

    @property
    def lines(self) -> list[str]:
        """The last TAIL_LINES non-empty lines, scrubbed.

        A crashing interpreter says the cause before the stacks of all threads: if that is further up, it comes first.
        """
        lines = [line for line in self._bytes.decode(errors="replace").splitlines() if line.strip()]
        found = lines[-TAIL_LINES:]
        causes = [line for line in lines if line.startswith(_CRASH)]
        if causes and causes[-1] not in found:
            found[0] = causes[-1]
        return [scrub(line) for line in found]


def _secrets() -> dict[str, str]:
    """Values of secret environment variables -> replacement."""
    return {
        value: f"${name}" for name, value in os.environ.items() if _SECRET.search(name) and len(value) > 3
    }


def _folders() -> dict[str, str]:
    """Folders that identify the user -> replacement."""
    folders = {Path.cwd(): "CWD", Path(tempfile.gettempdir()): "TMP", Path.home(): "HOME"}
    folders[Path(__file__).parents[2]] = "PROJECT"
    return {str(folder): name for folder, name in folders.items() if folder != Path(folder.anchor)}
