"""What a plot in report.html is made of: axes, points and lines, in the units of the axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Shape = Literal["up", "down", "square", "left", "right", "circle-hollow", "up-hollow", "down-hollow"]
Pairs = list[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """An axis with its label and initial range; with `rows` it has one band per row instead."""

    label: str
    low: float
    high: float
    log: bool = False
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """A mark with its tooltip, the run it belongs to, and an optional label next to it."""

    x: float
    y: float
    kind: Literal["mean", "seed", "published"] | Shape
    family: int
    text: tuple[str, ...]
    run: str | None = None
    label: str = ""


@dataclass(frozen=True)
class Line:
    """A line through (x, y) pairs; with `text`, its points have tooltips that begin with it."""

    points: Pairs
    kind: Literal["interval", "curve", "behind", "front"]
    family: int
    text: str = ""
    run: str | None = None


@dataclass(frozen=True)
class Reference:
    """A dashed line across the plot."""

    axis: Literal["x", "y"]
    at: float
    label: str


@dataclass(frozen=True)
class Plot:
    """One plot; `compact` ones are the small panels of a series."""

    name: str
    title: str
    x: Axis
    y: Axis
    points: tuple[Point, ...] = ()
    lines: tuple[Line, ...] = ()
    references: tuple[Reference, ...] = ()
    band: tuple[float, float] | None = None  # of x, shaded from top to bottom
    compact: bool = False

    @property
    def families(self) -> list[int]:
        """The kinds of change that occur, for the legend."""
        lines = (line.family for line in self.lines if line.kind in ("interval", "curve"))
        return sorted({*(point.family for point in self.points), *lines})
