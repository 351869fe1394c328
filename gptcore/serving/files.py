"""A file of texts in, the same file with answers out, in parts so that other requests get their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.responses import Response

from gptcore.data.options import ReadOptions
from gptcore.errors import UserError
from gptcore.product.row_files import Row, RowFile, open_rows
from gptcore.serving.limits import Limits
from gptcore.serving.requests import RefusedError
from gptcore.serving.schema import Answer

KINDS = ("csv", "tsv", "jsonl")
ROWS_AT_A_TIME = 256
NEW = ("label", "probability", "cut")
Submit = Callable[[Sequence[str]], Awaitable[Sequence[Answer]]]


async def answered_file(
    content: bytes, kind: str, text_column: str | None, encoding: str | None, limits: Limits, submit: Submit
) -> Response:
    """The file with three more columns, in UTF-8. Raises RefusedError for what cannot be read.

    It lies in a folder of its own, for its owner alone, while it is read. New columns are called predicted_label and so
    on where the file has such columns already.
    """
    if kind not in KINDS:
        raise RefusedError(422, f"kind = {kind!r}: use {', '.join(KINDS)}")
    with TemporaryDirectory(prefix="gptcore-") as folder:
        path = Path(folder) / f"file.{kind}"
        path.write_bytes(content)
        try:
            file = await asyncio.to_thread(
                open_rows, path, ReadOptions(text_column=text_column, encoding=encoding)
            )
            if file.n_rows > limits.rows:
                raise RefusedError(
                    413,
                    f"{file.n_rows:,} rows, the limit is {limits.rows:,}: use python -m gptcore predict --file",
                )
            found = await _answered(file, limits, submit)
        except UserError as error:
            raise RefusedError(422, _without_options(str(error).replace(str(path), "the file"))) from None
    headers = {"content-disposition": f'attachment; filename="answers.{kind}"'}
    return Response(found, media_type="application/octet-stream", headers=headers)


async def _answered(file: RowFile, limits: Limits, submit: Submit) -> bytes:
    clash = any(name in file.columns for name in NEW)
    names = [f"predicted_{name}" if clash else name for name in NEW]
    if both := [name for name in names if name in file.columns]:
        raise UserError(f"the file has a column {both[0]!r} already: rename it")
    written, rows = [file.header(names)], file.rows()
    while some := list(islice(rows, ROWS_AT_A_TIME)):
        if long := [row for row in some if len(row.text) > limits.characters]:
            raise UserError(
                f"a text has {len(long[0].text):,} characters, the limit is {limits.characters:,}"
            )
        answers = await submit([row.text for row in some])
        written += [_line(file, row, names, found) for row, found in zip(some, answers, strict=True)]
    return "".join(written).encode()


def _line(file: RowFile, row: Row, names: Sequence[str], found: Answer) -> str:
    values = (found.label or "", round(found.probability, 6), "true" if found.cut else "false")
    return file.line(row, dict(zip(names, values, strict=True)))


def _without_options(message: str) -> str:
    """Options of the command line as parameters of the request."""
    for option in ("text-column", "encoding"):
        message = message.replace(f"--{option}", option.replace("-", "_"))
    return message
