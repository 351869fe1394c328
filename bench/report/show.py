"""One record in the terminal: recipe, results, cost, environment."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.records.record import Record
from bench.report.sheet import Sheet, sheets
from bench.report.text import sanitize

_STATUS = {"done": "green", "failed": "red", "skipped": "yellow"}


def show_record(record: Record) -> RenderableType:
    """The record for `rich`: recipe, status, metrics with 95% intervals, epochs, cost, environment."""
    title = Text.assemble(
        (sanitize(record.run_id), "bold"), "  ", (record.status, f"bold {_STATUS[record.status]}")
    )
    if record.reason:
        title.append(f"  {sanitize(record.reason)}")
    parts: list[RenderableType] = [title, *(_table(sheet) for sheet in sheets(record))]
    return Group(*(part for pair in ((part, Text()) for part in parts) for part in pair))


def _table(sheet: Sheet) -> Table:
    # Text, not markup: brackets in a dataset's name are brackets.
    table = Table(title=sheet.title, title_justify="left", show_header=bool(sheet.headings))
    for heading in sheet.headings:
        table.add_column(Text(sanitize(heading)))
    for i, row in enumerate(sheet.rows):
        table.add_row(*(Text(sanitize(cell)) for cell in row), style="bold" if i in sheet.strong else "")
    return table
