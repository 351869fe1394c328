"""A file of lines that another process appends to."""

from __future__ import annotations

from pathlib import Path


class LineReader:
    """Reads the lines of a file as it grows, each of them once."""

    def __init__(self, path: Path) -> None:
        self.path, self._read = path, 0

    def more(self) -> list[bytes]:
        """The whole lines that have not been read yet, without their ends; none where there is no file.

        A last line without its end is still being written, and left for later.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                whole, end, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._read += len(whole) + len(end)
        return whole.split(b"\n") if end else []
