"""When rows are judged: the planned looks, those that each row has reached, what they spent and what is left."""

from __future__ import annotations

from bench.evidence.results import Results
from bench.evidence.scheme import unspent
from bench.evidence.verdicts import Verdict
from bench.report.tables import section
from bench.report.text import MISSING, escape, join, percent

_HOW_TO_READ = """\
*Spent* and *left* are shares of a row's error level, which its looks divide among themselves; a word that has been \
given stays. *Holm p* takes the looks into account: the smallest p of a look, divided by its share."""


def looks_note(results: Results) -> str:
    """The planned looks with their shares of the error level; empty if none are planned. Plain text."""
    scheme = results.study.scheme
    if not scheme:
        return ""
    counts = join(str(look.seeds) for look in scheme)
    shares = join(f"{percent(look.share, _digits(look.share))}%" for look in scheme)
    left = unspent(scheme)
    return (
        f"Rows are judged at {counts} seeds, as planned before the first run of each. These looks may spend {shares} "
        f"of the error level; {percent(left, _digits(left))}% is kept for seeds that are added later. So neither "
        "stopping early nor adding seeds makes false verdicts more frequent."
    )


def ending_note(results: Results) -> str:
    """The budget of a study that goes on until it is decided, and why it ended; empty for others. Plain text."""
    budget, ended = results.study.budget, results.study.ended
    if budget is None and ended is None:
        return ""
    limit = "No budget" if budget is None else f"Budget: {budget} of recorded run time"
    return f"{limit}; {f'ended: {ended}' if ended else 'not ended: the same command goes on'}."


def looks_section(results: Results, verdicts: dict[str, Verdict]) -> list[str]:
    """The note, and with several looks a table of them; nothing where none are planned."""
    note = looks_note(results)
    if not note or len(results.study.scheme or []) == 1:
        return [note] if note else []
    rows = [
        [escape(row.row), *cells]
        for row in verdicts.values()
        if (cells := looks_cells(results, row)) is not None
    ]
    headers = ["Row", "Looks at", "Decided", "Spent, %", "Left, %"]
    return [section(results, "Looks", headers, rows, "lrlrr"), note, _HOW_TO_READ] if rows else [note]


def looks_cells(results: Results, verdict: Verdict) -> list[str] | None:
    """Of a row: its looks, where it was decided, percent spent and left; None where nothing is tested."""
    scheme = results.study.scheme
    if verdict.outlook is None or not scheme:
        return None
    reached = ", ".join(str(look.seeds) for look in verdict.looks)
    decided = f"at {verdict.decided_at} of {scheme[-1].seeds} seeds" if verdict.decided_at else "not yet"
    spent = sum(look.share for look in verdict.looks)
    return [
        reached or MISSING,
        decided,
        percent(spent, _digits(spent)),
        percent(1 - spent, _digits(1 - spent)),
    ]


def _digits(share: float) -> int:
    """Enough to tell small shares from nothing."""
    return 0 if round(100 * share, 6) == round(100 * share) else 1
