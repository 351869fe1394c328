"""From a path to the text inside: unpacked, recognised and decoded, or refused with what to do instead."""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from gptcore.errors import UserError
from gptcore.paths import path_kind

Kind = Literal["csv", "tsv", "json", "parquet"]
KINDS: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
}
_EXCEL = (
    "an Excel workbook: save its sheet from Excel as 'CSV UTF-8', or with pandas: "
    'pandas.read_excel("book.xlsx").to_csv("book.csv", index=False)'
)
# UTF-32's mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Kaggle's spam.csv is in Latin-1 and known by the first line.
_LATIN_1_HEADERS = (b"v1,v2,",)


class Content(NamedTuple):
    """A file's bytes, unpacked, and the name that tells their format."""

    name: str
    data: bytes


def read_content(path: Path) -> Content:
    """The bytes of a file, out of its `.gz` or its `.zip` of a single file. Raises UserError."""
    if path_kind(path) == "folder":
        raise UserError(f"{path} is a folder: name a file in it")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    suffix = path.suffix.lower()
    if suffix == ".gz":
        content = Content(path.stem, _gunzip(path, data))
    elif suffix == ".zip":
        content = _unzip(path, data)
    else:
        content = Content(path.name, data)
    _refuse_foreign(path, content)
    return content


def format_of(path: Path, content: Content, separator: str | None) -> Kind:
    """How a file is laid out: by its suffix or, for any other, by `separator` or its first line."""
    kind = KINDS.get(PurePosixPath(content.name).suffix.lower())
    if kind is not None:
        return kind
    first = content.data.lstrip().split(b"\n", 1)[0]
    if content.data.startswith(b"PAR1"):
        return "parquet"
    if separator is not None:
        return "tsv" if separator == "\t" else "csv"
    if first.startswith((b"{", b"[")):
        return "json"
    if b"\t" in first:
        return "tsv"
    if first.startswith(b"__label__"):
        raise UserError(
            f"{path} is in fastText's format: turn it into a TSV, for one label a line with "
            rf"sed 's/^__label__\([^ ]*\) */\1\t/' {path.name} > {path.stem}.tsv"
        )
    raise UserError(
        f"{path}: cannot tell the format: its suffix is none of {', '.join(KINDS)}, and no TAB separates columns: "
        "name the separator with --separator, such as ',' or ';'"
    )


def encoding_of(path: Path, asked: str | None) -> str:
    """The encoding to open a file of text with: as asked, by its byte order mark, or UTF-8; marks are dropped."""
    try:
        with path.open("rb") as file:
            first = file.read(4)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    name = asked or next((name for mark, name in _MARKS if first.startswith(mark)), "utf-8")
    return "utf-8-sig" if codecs.lookup(name).name == "utf-8" else name


def decode(path: Path, data: bytes, encoding: str | None) -> tuple[str, tuple[str, ...]]:
    """The text without a byte order mark, and remarks on how it was decoded. Raises UserError."""
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    asked = encoding or marked
    notes: tuple[str, ...] = ()
    if encoding is None and marked != "utf-8":
        notes = (f"{path.name} is read as {marked}, as its byte order mark says",)
    try:
        text = data.decode(asked)
    except UnicodeDecodeError as error:
        if encoding is None and data.startswith(_LATIN_1_HEADERS):
            return data.decode("latin-1"), (f"{path.name} is not UTF-8: read as latin-1",)
        if b"\0" in data.split(b"\n", 1)[0]:
            raise _nul(path) from None
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line}: byte {error.start} (0x{data[error.start]:02x}) is not {asked.upper()}: "
            "name the file's encoding with --encoding (often cp1252 or latin-1), or save it as UTF-8"
        ) from None
    except (LookupError, ValueError) as error:
        raise UserError(
            f"{path} is not in the encoding {asked!r} ({error}): name another with --encoding"
        ) from error
    text = text.removeprefix("\ufeff")
    if "\0" in text.split("\n", 1)[0]:
        raise _nul(path)
    if not text.strip():
        raise UserError(f"{path} is empty: it needs a text and a label for every example")
    return text, notes


def _nul(path: Path) -> UserError:
    return UserError(
        f"{path}: NUL characters stand in its first line: if it is UTF-16 without a byte order mark, "
        "add --encoding utf-16-le (or utf-16-be)"
    )


def _gunzip(path: Path, data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a whole gzip file ({error}): compress it again") from error


def _unzip(path: Path, data: bytes) -> Content:
    """The only file of an archive, but for what systems and hidden files add to it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [each.filename for each in archive.infolist() if not each.is_dir()]
            if "[Content_Types].xml" in names:
                raise UserError(f"{path} is {_EXCEL}")
            names = [name for name in names if not _is_hidden(name)]
            if len(names) != 1:
                some = ", ".join(repr(name) for name in names[:3])
                raise UserError(
                    f"{path} holds {len(names)} files{f' ({some} …)' if names else ''}: unpack it and name one"
                )
            return Content(PurePosixPath(names[0]).name, archive.read(names[0]))
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, KeyError) as error:
        raise UserError(f"{path} is not a zip archive that can be read ({error}): pack it again") from error
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or packed in a way that Python lacks
        raise UserError(f"{path} cannot be unpacked here ({error}): unpack it and name the file") from error


def _is_hidden(name: str) -> bool:
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith(".")


def _refuse_foreign(path: Path, content: Content) -> None:
    """Say what a file is, where its first bytes belie its name."""
    data, suffix = content.data, PurePosixPath(content.name).suffix.lower()
    found = None
    if data.startswith(b"PK\x03\x04"):
        workbook = b"[Content_Types].xml" in data
        found = (
            _EXCEL
            if workbook
            else f"a zip archive: rename it to {path.stem}.zip if it holds one file, or unpack it and name one"
        )
    elif data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") or suffix in (".xls", ".xlsx"):
        found = _EXCEL
    elif data.startswith(b"\x1f\x8b"):
        found = f"gzip-compressed: rename it to {path.name}.gz"
    elif data.startswith(b"PAR1") and suffix in KINDS and KINDS[suffix] != "parquet":
        found = f"a Parquet file: rename it to {path.stem}.parquet"
    elif data.startswith(b"version https://git-lfs"):
        found = "a Git LFS pointer and not the data: fetch it with 'git lfs pull'"
    if found is not None:
        raise UserError(f"{path} is {found}")
