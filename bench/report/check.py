"""The findings of a check, for the terminal and as Markdown."""

from __future__ import annotations

from bench.check.check import Checked
from bench.check.finding import Finding, Level
from bench.report.outlook import design_note
from bench.report.text import escape, sanitize
from gptcore.wording import pluralise

_TITLES: dict[Level, str] = {"problem": "Problems", "warning": "Warnings", "note": "Notes"}


def check_lines(checked: Checked) -> list[str]:
    """For the terminal, each finding with its examples and its remedy below it."""
    lines = [f"{checked.source}: {checked.n_rows:,} usable rows"]
    for level, title in _TITLES.items():
        found = [finding for finding in checked.findings if finding.level == level]
        if found:
            lines += ["", f"{title} ({len(found)})"]
            lines += [line for finding in found for line in _terminal(finding)]
    return [*map(_kept, lines), *(["", note] if (note := _resolution(checked)) else []), "", summary(checked)]


def check_markdown(checked: Checked) -> str:
    """As a page."""
    lines = [
        f"# Check of {escape(checked.source)}",
        "",
        f"{checked.n_rows:,} usable rows. {summary(checked)}",
    ]
    for level, title in _TITLES.items():
        found = [finding for finding in checked.findings if finding.level == level]
        if found:
            lines += ["", f"## {title}", ""]
            lines += [line for finding in found for line in _listed(finding)]
    if note := _resolution(checked):
        lines += ["", "## What a study can show", "", escape(note)]
    return "\n".join([*lines, ""])


def summary(checked: Checked) -> str:
    """The last line: how many problems and warnings."""
    n = {level: sum(finding.level == level for finding in checked.findings) for level in _TITLES}
    return f"{', '.join(pluralise(count, level) for level, count in n.items())}."


def _terminal(finding: Finding) -> list[str]:
    remedy = [f"    remedy: {finding.remedy}"] if finding.remedy else []
    return [f"- {finding.title}", *(f"    {example}" for example in finding.examples), *remedy]


def _listed(finding: Finding) -> list[str]:
    lines = [f"- {escape(finding.title)}", *(f"  - {escape(example)}" for example in finding.examples)]
    return [*lines, *([f"  - Remedy: {escape(finding.remedy)}"] if finding.remedy else [])]


def _kept(line: str) -> str:
    """A line with its indentation and no control characters."""
    return line[: len(line) - len(line.lstrip(" "))] + sanitize(line)


def _resolution(checked: Checked) -> str:
    return "" if checked.design is None else design_note(checked.design)
