"""`python -m gptcore predict`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option, echo

from gptcore.commands.options import Device, with_options
from gptcore.commands.progress import show_progress
from gptcore.data.options import ReadOptions
from gptcore.errors import UserError
from gptcore.paths import path_kind
from gptcore.wording import one_line, pluralise

if TYPE_CHECKING:
    from gptcore.classifier import TextClassifier
    from gptcore.product.stream import Counts

LINES_AT_A_TIME = 1024


@dataclass(frozen=True, kw_only=True)
class RowFileOptions:
    """A file whose rows are to be answered, and how to read it. Each field's annotation is its help text."""

    file: Annotated[
        Path | None, Option(help="a CSV, TSV or JSON Lines file of rows, which its suffix says; needs --out")
    ] = None
    out: Annotated[Path | None, Option(help="of a file: the same rows with label, probability and cut")] = (
        None
    )
    text_column: Annotated[
        str | None,
        Option(help="column with the texts, if its name is not recognised; title,body joins several"),
    ] = None
    encoding: Annotated[str | None, Option(help="file encoding, such as latin-1; default: UTF-8")] = None
    separator: Annotated[
        str | None, Option(help="column separator: one character, or tab; default: by file suffix")
    ] = None
    no_header: Annotated[
        bool, Option("--no-header", help="the first line is data, not a header; columns are numbered from 1")
    ] = False
    prefix: Annotated[str, Option(help="before the names of the new columns")] = ""

    def reading(self) -> ReadOptions:
        """How to read the file. Raises UserError for an invalid value."""
        return ReadOptions(
            text_column=self.text_column,
            encoding=self.encoding,
            separator=self.separator,
            header=not self.no_header,
        )

    def check(self, texts: Sequence[str]) -> None:
        """Raises UserError for options that do not belong together, also with the texts that are given."""
        if self.out is not None and self.file is None:
            raise UserError("--out needs a file to read: name it behind the folder, or with --file")
        if self.file is not None and self.out is None:
            raise UserError(f"{self.file}: name the file to write too, with --out answers{self.file.suffix}")
        if self.file is not None and texts:
            raise UserError(f"give texts or a file ({self.file}), not both")
        if self.file is None and (self.reading() != ReadOptions() or self.prefix):
            raise UserError(
                "--text-column, --encoding, --separator, --no-header and --prefix need a file of rows"
            )


@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """How texts are answered."""

    long: Annotated[
        Literal["head", "head+tail", "window"],
        Option(
            help="what is read of a text that is too long: its first tokens, its first and last, or all of it in "
            "windows, whose probabilities are averaged"
        ),
    ] = "head"
    abstain: Annotated[float, Option(min=0, max=1, help="no label below this probability; in hundredths")] = (
        0.0
    )
    device: Device = "auto"

    def check(self) -> None:
        """Raises UserError for a threshold that validation data were not counted at."""
        if abs(round(100 * self.abstain) - 100 * self.abstain) > 1e-9:
            raise UserError(f"--abstain {self.abstain:g}: use hundredths, such as 0.8 or 0.95")


@with_options
def predict(
    folder: Annotated[
        Path, Argument(help="folder of a classifier, written by `fit` or `TextClassifier.save`")
    ],
    of_file: RowFileOptions,
    how: AnswerOptions,
    texts: Annotated[
        list[str] | None,
        Argument(
            help="texts to classify, or one CSV, TSV or JSON Lines file; default: the lines of standard input"
        ),
    ] = None,
) -> None:
    """Print the label of each text and its probability, or write them beside the rows of a file.

    A file is read row by row and keeps its other columns. If the command is interrupted, the same command resumes.
    """
    texts, of_file = _texts_or_file(texts or [], of_file)
    of_file.check(texts)
    how.check()
    if of_file.file is None or of_file.out is None:
        _print_answers(_opened(folder, how), texts, how)
    else:
        _answer_file(folder, of_file.file, of_file.out, of_file, how)


def load_classifier(folder: Path, device: Device) -> TextClassifier:
    """Open a folder. Raises UserError as `TextClassifier.load` does."""
    from gptcore.classifier import TextClassifier

    return TextClassifier.load(folder, device)


def _opened(folder: Path, how: AnswerOptions) -> TextClassifier:
    classifier = load_classifier(folder, how.device)
    if how.abstain:
        show_progress(_bought(folder, how.abstain))
    return classifier


def _texts_or_file(texts: list[str], of_file: RowFileOptions) -> tuple[list[str], RowFileOptions]:
    """A single text that names a file of rows becomes the file. Raises UserError for a word that may be either."""
    from gptcore.product.row_files import ROW_SUFFIXES, ROW_SUFFIXES_SHOWN

    for text in texts:
        is_there = _is_file(text)
        is_named = len(text.split()) == 1 and Path(text).suffix.lower() in ROW_SUFFIXES
        if is_there and is_named and len(texts) == 1 and of_file.file is None:
            return [], replace(of_file, file=Path(text))
        if is_there or is_named:
            what = "is a file" if is_there else "is named like a file, and there is no such file"
            raise UserError(
                f"{text!r} {what}: give one {ROW_SUFFIXES_SHOWN} file and no texts, or, if it is a text, pipe it into "
                "standard input"
            )
    return texts, of_file


def _is_file(text: str) -> bool:
    """Whether a text is the name of a file; one that can be no name at all is a text."""
    try:
        return path_kind(text) == "file"
    except UserError:
        return False


def _answer_file(folder: Path, file: Path, out: Path, of_file: RowFileOptions, how: AnswerOptions) -> None:
    from gptcore.product.stream import Request, open_request, predict_file

    request = Request(folder, file, out, of_file.reading(), how.long, how.abstain, of_file.prefix)
    opened = open_request(request)
    classifier = _opened(folder, how)
    counts = predict_file(classifier, request, show_progress, opened)
    for line in _summary(classifier, counts, how.long):
        echo(one_line(line))
    echo(one_line(f"written: {out}"))


def _print_answers(classifier: TextClassifier, texts: list[str] | None, how: AnswerOptions) -> None:
    from gptcore.product.answers import answer

    n_cut = 0
    lines = iter(texts) if texts else (line.removesuffix("\n") for line in sys.stdin)
    while some := list(islice(lines, LINES_AT_A_TIME)):
        found = answer(classifier, some, how.long, how.abstain)
        for label, probability in zip(found.labels, found.probabilities, strict=True):
            echo(f"{one_line(label)}\t{probability:.4f}")
        n_cut += int(found.cut.sum())
    if n_cut and how.long != "window":
        show_progress(_cut(classifier, n_cut, how.long))


def _bought(folder: Path, abstain: float) -> str:
    """What validation data says of a threshold."""
    from gptcore.product.report import read_report

    validation = read_report(folder).abstaining
    (kept, correct), (n, all_correct) = validation.at(abstain), validation.at(0)
    right = f"{100 * correct / kept:.1f}% right" if kept else "none"
    return (
        f"--abstain {abstain:g}: of {n:,} validation texts {kept:,} ({100 * kept / n:.1f}%) keep their label, {right}; "
        f"of all, {100 * all_correct / n:.1f}% were right"
    )


def _cut(classifier: TextClassifier, n: int, long: str) -> str:
    """That texts are longer than a row, and what was read of them."""
    from gptcore.product.answers import tokens_read

    longer = (
        pluralise(n, "text is", "texts are") + f" longer than the {tokens_read(classifier)} tokens of a row"
    )
    if long == "window":
        return f"{longer} (--long window)"
    return f"{longer} and {'was' if n == 1 else 'were'} cut (--long window reads all of {'it' if n == 1 else 'them'})"


def _summary(classifier: TextClassifier, counts: Counts, long: str) -> list[str]:
    shown = ", ".join(
        f"{label} {n:,}" for label, n in sorted(counts.labels.items(), key=lambda item: -item[1])
    )
    lines = [f"{pluralise(counts.rows, 'row')}: {shown or 'no label'}"]
    if counts.cut:
        lines.append(_cut(classifier, counts.cut, long))
    if counts.blank:
        lines.append(pluralise(counts.blank, "row has", "rows have") + " no text, and so no label")
    if counts.abstained:
        lines.append(
            pluralise(counts.abstained, "row is", "rows are") + " left to people: too uncertain for a label"
        )
    return lines
