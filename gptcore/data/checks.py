"""What is wrong or odd in labelled texts: empty ones, texts that swallowed lines, copies, contradictions."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence

from gptcore.data.columns import RawTable
from gptcore.wording import pluralise

Place = Callable[[int], tuple[str, str]]  # of the row at an index: its file, and "line 12" or the like
LONG_SPAN = 5  # lines of the file that one text may take before that is odd
LEAK = 0.01  # share of test texts that also stand in train or validation, above which a reader is warned


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: blanks, controls and zero-width characters alone."""
    text = text.strip()
    if text[:1].isalnum():
        return False
    return all(c.isspace() or unicodedata.category(c) in ("Cf", "Cc") for c in text)


def text_problem(text: object) -> str | None:
    """Why a text cannot be used; None where it can."""
    if text is None or (isinstance(text, str) and is_blank(text)):
        return "the text is empty"
    if not isinstance(text, str):
        return f"the text is not a string but {type(text).__name__}"
    return None if _is_unicode(text) else "the text holds a lone surrogate, which is not Unicode text"


def label_problem(name: str | None) -> str | None:
    """Why the name of a label cannot be used; None where it can."""
    if name is None:
        return "the label is neither a string nor a number"
    if is_blank(name):
        return "the label is missing"
    return None if _is_unicode(name) else "the label holds a lone surrogate, which is not Unicode text"


def blank_before_quote(table: RawTable, columns: Iterable[Sequence[object]]) -> tuple[str, ...]:
    """A warning of cells such as ` "ham"`: quotes after a blank do not quote, and stay in the text or the label."""
    found = sorted(
        {
            at
            for cells in columns
            for at, cell in enumerate(cells)
            if isinstance(cell, str) and cell[:1] == " " and cell.strip()[:1] == cell.strip()[-1:] == '"'
        }
    )
    if not found:
        return ()
    first = f"{table.unit} {table.numbers[found[0]]}"
    rows = pluralise(len(found), "row has", "rows have")
    return (
        f"{rows} a cell that begins with a blank before a quote, the first at {first}: the quotes are kept; "
        "remove the blank",
    )


def line_breaks(
    table: RawTable, columns: Iterable[Sequence[object]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Remarks and warnings on texts of several lines: an open double quote swallows lines yet breaks no rule.

    columns: the cells of each column of texts, before they are joined.
    """
    broken = sorted(
        {at for cells in columns for at, cell in enumerate(cells) if isinstance(cell, str) and "\n" in cell}
    )
    if not broken:
        return (), ()
    first = table.numbers[broken[0]]
    texts_hold = pluralise(len(broken), "text holds", "texts hold")
    notes = (f"{texts_hold} line breaks, the first at {table.unit} {first}",)
    long = [at for at in broken if table.spans and table.spans[at] > LONG_SPAN]
    if not long:
        return notes, ()
    worst = max(long, key=lambda at: table.spans[at])
    others = f" ({len(long) - 1:,} more take over {LONG_SPAN})" if len(long) > 1 else ""
    return notes, (
        f"the text at line {table.numbers[worst]} spans {table.spans[worst]:,} lines of the file{others}: "
        "does a double quote open there and close far below?",
    )


def contradictions(texts: Sequence[str], labels: Sequence[str], place: Place) -> tuple[str, ...]:
    """A warning where one text stands under several labels."""
    first: dict[str, int] = {}
    found: dict[str, int] = {}  # text -> where it has another label
    for at, (text, label) in enumerate(zip(texts, labels, strict=True)):
        if labels[first.setdefault(text, at)] != label:
            found.setdefault(text, at)
    if not found:
        return ()
    text, at = next(iter(found.items()))
    n = pluralise(len(found), "text stands", "texts stand")
    return (
        f"{n} under more than one label, such as {shortened(text)} at {_at(place, first[text])} "
        f"({labels[first[text]]!r}) and {_at(place, at)} ({labels[at]!r})",
    )


def _at(place: Place, index: int) -> str:
    return place(index)[1]


def n_seen(test: Iterable[str], others: Iterable[str]) -> tuple[int, int]:
    """How many test texts also stand in `others`: word for word, and but for case and blanks."""
    test, others = tuple(test), tuple(others)
    exact, alike = set(others), {normalised(text) for text in others}
    return sum(text in exact for text in test), sum(normalised(text) in alike for text in test)


def copies(texts: Iterable[str]) -> list[int]:
    """(N,) of each text the index of the first one that is equal to it but for case and blanks."""
    first: dict[str, int] = {}
    return [first.setdefault(normalised(text), at) for at, text in enumerate(texts)]


def repeats(firsts: Sequence[int], parts: Sequence[str]) -> list[int]:
    """Rows of train and validation whose text a test row has too, and rows of train whose text validation has.

    firsts: (N,) see `copies`; parts: (N,) train, validation or test.
    """
    of_part = {
        part: {first for first, given in zip(firsts, parts, strict=True) if given == part}
        for part in ("validation", "test")
    }
    later = {"train": of_part["validation"] | of_part["test"], "validation": of_part["test"], "test": set()}
    return [at for at, (first, part) in enumerate(zip(firsts, parts, strict=True)) if first in later[part]]


def leak_warning(n_test: int, exact: int, alike: int) -> tuple[str, ...]:
    """A warning where more than a few test texts were seen in training."""
    if alike <= LEAK * n_test:
        return ()
    how = f" ({exact:,} word for word, the others but for case and blanks)" if alike > exact else ""
    return (
        f"{alike:,} of {n_test:,} test texts ({alike / n_test:.0%}) also stand in train or validation{how}: "
        "accuracy on new texts is likely to be lower",
    )


def shortened(text: str, n: int = 50) -> str:
    """A text quoted, on one line, and cut."""
    return repr(text if len(text) <= n else text[: n - 1] + "…")


def normalised(text: str) -> str:
    """A text but for case and blanks: two that are equal so are copies."""
    return " ".join(text.casefold().split())


def _is_unicode(text: str) -> bool:
    """False for what only JSON's escapes can bring in: half of a surrogate pair, which no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
