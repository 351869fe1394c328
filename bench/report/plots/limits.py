"""How much one plot shows: a study may have hundreds of rows and seeds. Imports no matplotlib."""

from __future__ import annotations

from typing import TypeVar

MOST_PANELS = 30  # rows with a panel of their own
MOST_CURVES = 20  # seeds whose curves are drawn, of each row
MOST_LABELS = 60  # points with a name or a number beside them

_T = TypeVar("_T")


def first_panels(rows: list[_T], title: str) -> tuple[list[_T], str]:
    """The rows that get a panel, and the title, which says so where others get none."""
    if len(rows) <= MOST_PANELS:
        return rows, title
    return rows[:MOST_PANELS], f"{title} (the first {MOST_PANELS} of {len(rows)} rows)"


def curves_title(title: str, n_seeds: int) -> str:
    """The title of curves, which says so where not every seed is drawn."""
    return title if n_seeds <= MOST_CURVES else f"{title} (the first {MOST_CURVES} of {n_seeds} seeds)"
