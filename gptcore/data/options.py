"""How a user's file is to be read: one value that the loader, the command line and the worker share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from gptcore.errors import UserError

HUB_PREFIX = "hub:"  # of a data set of the hub, in place of a path
_NAMED_SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " "}


@dataclass(frozen=True)
class ReadOptions:
    """How to read a file of labelled texts. Each field is an option of the command line: `--text-column` ...

    text_column: one column, or several with commas between them, whose texts are joined by a line break;
    label_column: the column with the class; both are found by their usual names unless given, and are numbers
    from "1" where the file has no header;
    encoding: any that Python knows; by default UTF-8, or UTF-16 or -32 with a byte order mark;
    separator: one character, or `tab`; by default the suffix decides;
    header: False (`--no-header`) where the first line is a row already;
    split_column: a column whose values say train, validation or test;
    group_column: a column whose equal values (users, threads, authors) never stand in two parts;
    label_names: "a,b,c" for the labels 0, 1, 2, or "0=a,1=b" for any labels;
    validation, test: files with the rows of these parts, read in the same way;
    data_path: of a data set with a name: a copy of one's own, its folder, archive or file;
    limit: training texts that are kept, and the same share of the other parts, for a first look.

    Raises UserError for an unknown encoding or an impossible separator.
    """

    text_column: str | None = None
    label_column: str | None = None
    encoding: str | None = None
    separator: str | None = None
    header: bool = True
    split_column: str | None = None
    group_column: str | None = None
    label_names: str | None = None
    validation: Path | None = None
    test: Path | None = None
    data_path: Path | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.encoding is not None:
            _check_encoding(self.encoding)
        if self.separator is not None:
            object.__setattr__(self, "separator", _separator(self.separator))
        if self.limit is not None and self.limit < 1:
            raise UserError(f"--limit {self.limit}: keep at least one training text")
        for name in ("validation", "test", "data_path"):
            if (path := getattr(self, name)) is not None:
                object.__setattr__(self, name, Path(path))

    def of_one_file(self) -> ReadOptions:
        """The same for a file whose rows all belong to one part."""
        return replace(self, split_column=None, validation=None, test=None)


def _check_encoding(encoding: str) -> None:
    try:
        bytes(4).decode(encoding)  # long enough for every encoding, and some are looked up only then
    except UnicodeDecodeError:
        return
    except (LookupError, ValueError) as error:
        raise UserError(
            f"--encoding {encoding!r}: not an encoding of text: use one such as utf-8, latin-1, cp1252 or utf-16"
        ) from error


def _separator(text: str) -> str:
    separator = _NAMED_SEPARATORS.get(text.lower(), text)
    if len(separator) != 1 or separator in '"\r\n\0':
        raise UserError(f"--separator {text!r}: give one character such as ';', or tab")
    return separator
