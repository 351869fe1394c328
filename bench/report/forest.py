"""The data of the forest plot, for SVG and page: each verdict with its interval, and the range of the axis."""

from __future__ import annotations

from dataclasses import dataclass

from bench.evidence.decide import Call
from bench.evidence.results import Results
from bench.evidence.verdicts import Verdict, judge
from bench.report.plots.style import Family
from bench.report.text import code_block, fold, sanitize
from bench.report.units import Unit, unit_of

_QUANTILE = 0.8  # of the rows whose intervals fit on the axis; arrows mark the others

# Colours of the page's verdicts; the shape says the same without colour.
CALLS: dict[Call, Family] = {
    "better": Family("better", "#0A5C36", frozenset()),
    "worse": Family("worse", "#A3260B", frozenset()),
    "no difference": Family("no difference", "#44505C", frozenset()),
    "undecided": Family("undecided", "#B58900", frozenset()),
    "model better": Family("model better", "#2E8B57", frozenset()),
    "model worse": Family("model worse", "#D1583F", frozenset()),
}

_HALF = 24  # characters on either side of zero
_MARKS: dict[Call, str] = {
    **{"better": "▲", "worse": "▼", "no difference": "■", "undecided": "○"},
    **{"model better": "△", "model worse": "▽"},
}


@dataclass(frozen=True)
class Forest:
    """The verdicts of a study, and the greatest difference on the axis."""

    verdicts: tuple[Verdict, ...]
    labels: tuple[str, ...]
    reach: float
    margin: float
    unit: Unit

    @property
    def title(self) -> str:
        """What is drawn."""
        return f"{self.unit.difference} from the row it is compared with, 95% intervals"

    @property
    def axis(self) -> str:
        """What the axis shows."""
        return f"{self.unit.difference[0].lower()}{self.unit.difference[1:]}, {self.unit.name}"


def forest_of(results: Results) -> Forest | None:
    """None where no two rows are compared."""
    verdicts = tuple(judge(results).values())
    if not verdicts:
        return None
    bounds = sorted(max(-verdict.difference.low, verdict.difference.high) for verdict in verdicts)
    typical = bounds[min(len(bounds) - 1, int(_QUANTILE * len(bounds)))]
    return Forest(
        verdicts=verdicts,
        labels=tuple(_label(results, verdict) for verdict in verdicts),
        reach=min(results.metric.scale.most, max(1.15 * typical, 3 * results.margin)),
        margin=results.margin,
        unit=unit_of(results.metric),
    )


def _label(results: Results, verdict: Verdict) -> str:
    name = sanitize(verdict.row)
    return name if results.study.is_baseline(verdict.against) else f"{name} vs {sanitize(verdict.against)}"


def forest_section(results: Results) -> str:
    """The forest plot in characters, for pages without images; empty if no rows are compared."""
    forest = forest_of(results)
    if forest is None:
        return ""
    width = max(map(len, forest.labels))
    lines = [
        f"{fold(label, 36, 1):<{min(width, 36)}}  {_line(forest, verdict)}  "
        f"{forest.unit.signed(verdict.difference.mean):>7}  "
        f"{verdict.call}"
        for label, verdict in zip(forest.labels, forest.verdicts, strict=True)
    ]
    edge = f"{forest.unit.factor * forest.reach:.{1 if forest.unit.name == 'points' else 3}f}"
    scale = f"{'':<{min(width, 36)}}  {'−' + edge:<{_HALF}}0{'+' + edge:>{_HALF}}  {forest.unit.name}"
    note = (
        f"{forest.title}; the dotted lines are the margin of {forest.unit.margin(forest.margin)}, and arrows "
        "mark intervals that extend beyond the scale."
    )
    return f"{code_block(chr(10).join([*lines, scale]))}\n\n{note}"


def _line(forest: Forest, verdict: Verdict) -> str:
    """One row of characters: the interval as a line, its middle as the mark of the verdict."""

    def place(value: float) -> int:
        return max(0, min(2 * _HALF, round(_HALF * (1 + value / forest.reach))))

    cells = [" "] * (2 * _HALF + 1)
    cells[_HALF] = "│"
    for edge in (-forest.margin, forest.margin):
        cells[place(edge)] = "┊"
    found = verdict.difference
    for at in range(place(found.low), place(found.high) + 1):
        cells[at] = "─"
    cells[place(found.mean)] = _MARKS[verdict.call]
    if found.low < -forest.reach:
        cells[0] = "◀"
    if found.high > forest.reach:
        cells[-1] = "▶"
    return "".join(cells)
