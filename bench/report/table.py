"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str = "") -> str:
    """A table of escaped cells. align: a letter per column, r for figures, l for text; l for those without one."""
    sides = ["right" if letter == "r" else "left" for letter in align.ljust(len(headers), "l")]
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=sides if rows else None)


def figures_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of names with their figures."""
    return markdown_table(headers, rows, "l" + "r" * (len(headers) - 1))
