"""What one request may ask for, and what all of them together may keep waiting."""

from __future__ import annotations

from dataclasses import dataclass

from gptcore.errors import UserError

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """body_bytes, texts, characters: of one request, and of each text in it; rows: of a file.

    waiting: texts of all requests that are not answered yet; files: that are answered at a time; uploads: files that
    arrive at a time; body_s: seconds that the body of a request may take to arrive. Raises UserError where a request
    could never be accepted.
    """

    body_bytes: int = 10 * MIB
    texts: int = 1000
    characters: int = 100_000
    rows: int = 50_000
    waiting: int = 4000
    files: int = 2
    uploads: int = 16
    body_s: float = 30.0

    def __post_init__(self) -> None:
        if self.waiting < self.texts:
            raise UserError(
                f"--queue {self.waiting}: it must hold a request, which may have {self.texts} texts (--max-texts)"
            )
