"""What was found: a table of ways to pad, the causes, a verdict; as text, Markdown or JSON. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from gptcore.wording import markdown_line

Side = Literal["right", "left"]
SIDES: tuple[Side, ...] = ("right", "left")
CauseName = Literal[
    "no pad token",
    "another pad token",
    "position read from the wrong side",
    "padding is read",
    "attention mask ignored",
    "positions not shifted",
    "answers not repeatable",
    "unknown",
]


@dataclass(frozen=True)
class Way:
    """How texts were laid out. side: None without padding; longer: padded beyond the longest text."""

    side: Side | None
    batched: bool
    longer: bool

    def __str__(self) -> str:
        if self.side is None:
            return "unpadded, each text twice in a batch"
        return f"{self.side}, {'in batches' if self.batched else 'alone'}{', longer' if self.longer else ''}"


@dataclass(frozen=True)
class Cause:
    """Why answers change. evidence: what was observed on one text; remedy: what to do about it."""

    name: CauseName
    evidence: str
    remedy: str


@dataclass(frozen=True)
class Outcome:
    """Against each text alone and unpadded. n_flipped: predictions that differ; largest: difference of a logit.

    refused: the first line of what the model said where it gave no answer; None where it did; causes: at least one
    where there are no answers, where logits differ by more than rounding, or where more answers flip than without
    padding.
    """

    way: Way
    n_flipped: int
    largest: float
    refused: str | None
    causes: tuple[Cause, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether a way gives other answers, or none."""
        return bool(self.causes)


@dataclass(frozen=True)
class PaddingReport:
    """tokens: of the shortest and the longest text; own_side: where the model's tokenizer pads.

    tolerance: what logits may differ by; n_read: the texts of the file, of which the first n_texts were used.
    """

    model: str
    n_texts: int
    n_read: int
    tokens: tuple[int, int]
    n_labels: int
    own_side: Side
    tolerance: float
    notes: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    def changes(self, side: Side | None) -> bool:
        """Whether a way on that side gives other answers."""
        return any(
            found.is_changed and found.refused is None for found in self.outcomes if found.way.side == side
        )

    @property
    def is_clean(self) -> bool:
        """Whether no way changes any answer."""
        return not any(found.is_changed for found in self.outcomes)

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.is_clean:
            return "clean: no answer changes with padding"
        told = [f"{self.n_refused} ways are refused"] if self.n_refused else []
        where = [side for side in SIDES if self.changes(side)]
        if self.changes(None):
            told.append("answers change without any padding, in batches alone")
        elif where:
            told.append(f"answers change with padding on the {' and on the '.join(where)}")
        if self.is_safe_as_it_pads:
            told.append(f"on the {self.own_side}, where the tokenizer pads, they do not")
        return "; ".join(told)

    @property
    def n_refused(self) -> int:
        """Ways without an answer."""
        return sum(found.refused is not None for found in self.outcomes)

    @property
    def is_safe_as_it_pads(self) -> bool:
        """Whether the tokenizer's own side was tried, and changes nothing."""
        own = [found for found in self.outcomes if found.way.side == self.own_side]
        return bool(own) and not any(found.is_changed for found in own)


def causes_by_side(report: PaddingReport) -> list[tuple[str, Cause]]:
    """Each cause once a side, with the side."""
    found: dict[tuple[str, str], Cause] = {}
    for outcome in report.outcomes:
        for cause in outcome.causes:
            found.setdefault((outcome.way.side or "unpadded", cause.name), cause)
    return [(side, cause) for (side, _), cause in found.items()]


def as_text(report: PaddingReport) -> str:
    """For a terminal."""
    table = [("way", "flipped", "largest logit difference"), *map(_cells, report.outcomes)]
    widths = [max(len(row[at]) for row in table) for at in range(3)]
    lines = [_head(report), *(f"note: {note}" for note in report.notes), ""]
    lines += [
        f"{way:<{widths[0]}}  {flipped:>{widths[1]}}  {largest}".rstrip() for way, flipped, largest in table
    ]
    if causes := causes_by_side(report):
        lines += ["", "likely causes:"]
    for side, cause in causes:
        lines += [f"  {side}: {cause.name}: {cause.evidence}", f"    remedy: {cause.remedy}"]
    return "\n".join([*lines, "", report.verdict])


def as_markdown(report: PaddingReport) -> str:
    """For a file."""
    lines = [f"# Padding of {markdown_line(report.model)}", "", f"{markdown_line(_head(report))}.", ""]
    lines += [f"- {markdown_line(note)}" for note in report.notes] + ([""] if report.notes else [])
    lines += ["| Way | Flipped | Largest logit difference |", "|:---|---:|---:|"]
    lines += [f"| {' | '.join(map(markdown_line, _cells(found)))} |" for found in report.outcomes]
    lines += ["", f"**{report.verdict[0].upper()}{report.verdict[1:]}.**", ""]
    for side, cause in causes_by_side(report):
        lines += [
            f"- {side}: **{cause.name}**. {markdown_line(cause.evidence)}. Remedy: {markdown_line(cause.remedy)}."
        ]
    lines += [
        "",
        "Each text alone and without padding is the reference. Differences up to "
        f"{report.tolerance:.2g} count as rounding where no answer flips.",
    ]
    return "\n".join(lines) + "\n"


def as_json(report: PaddingReport) -> str:
    """For programs; a way that was refused has no figures."""
    content = asdict(report) | {"clean": report.is_clean, "verdict": report.verdict}
    for outcome, found in zip(content["outcomes"], report.outcomes, strict=True):
        outcome["changed"] = found.is_changed
        if found.refused is not None:
            outcome |= {"n_flipped": None, "largest": None}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cells(found: Outcome) -> tuple[str, str, str]:
    if found.refused is not None:
        return str(found.way), "-", f"refused: {found.refused}"
    return str(found.way), f"{found.n_flipped:,}", f"{found.largest:.2g}"


def _head(report: PaddingReport) -> str:
    some = (
        f"the first {report.n_texts:,} of {report.n_read:,}"
        if report.n_texts < report.n_read
        else report.n_texts
    )
    shortest, longest = report.tokens
    return (
        f"{report.model}: {some} texts of {shortest} to {longest} tokens, {report.n_labels} outputs; its tokenizer "
        f"pads on the {report.own_side}"
    )
