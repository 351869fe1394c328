"""The texts to probe with: a user's file, or the sample that comes with the package. Imports no torch."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from gptcore.data.checks import is_blank, text_problem
from gptcore.data.files import KINDS, decode, read_content
from gptcore.data.options import ReadOptions
from gptcore.errors import UserError
from gptcore.product.row_files import open_rows

SAMPLE = Path(__file__).with_name("sample.txt")


def read_texts(path: Path | None, text_column: str | None, limit: int) -> tuple[list[str], int]:
    """The first `limit` texts that are not blank, and how many there are. Raises UserError."""
    if path is not None and path.suffix.lower() in KINDS:
        rows = open_rows(path, ReadOptions(text_column=text_column))
        texts = (row.text for row in rows.rows())
        some = list(islice((text for text in texts if text_problem(text) is None), limit))
        return _several(path, some), rows.n_rows
    if text_column is not None:
        raise UserError(f"--text-column {text_column}: only a CSV, TSV or JSON Lines file has columns")
    path = path or SAMPLE
    text, _ = decode(path, read_content(path).data, None)
    lines = [line for line in text.splitlines() if not is_blank(line)]
    return _several(path, lines[:limit]), len(lines)


def _several(path: Path, texts: list[str]) -> list[str]:
    if len(texts) < 2:
        raise UserError(f"--texts {path}: {len(texts)} texts: padding shows between at least 2")
    return texts
