"""Accuracy against cost, with the rows that no other beats on both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.evidence.pareto import Tradeoff
from bench.evidence.results import Results, RowResult
from bench.report.plots import style
from bench.report.plots.canvas import log_x, new_figure
from bench.report.plots.marks import MEAN, family_of, name_of, write_labels

_FRONT: dict[str, Any] = {"color": style.REFERENCE, "linewidth": 1.2, "zorder": 1}
_RING: dict[str, Any] = {
    **{"marker": "o", "markersize": 15, "linestyle": "", "markerfacecolor": "none"},
    **{"markeredgecolor": "#000000", "markeredgewidth": 1.5},
}
_LABELS = ("time of a run on its own, s (mean over seeds)", "trained parameters")
_Point = tuple[float, float]


def pareto(results: Results, tradeoff: Tradeoff, title: str) -> Figure:
    """Two panels, time and trained parameters: every row a point, the front a line with its rows named."""
    figure = new_figure(5.6, title)
    rows = [one.result for one in tradeoff.candidates]
    sized = [row for row in rows if row.parameters and row.parameters[0]]  # a logarithm needs more than zero
    grid = figure.subplots(1, 1 + bool(sized), sharey=True, squeeze=False)[0]
    panels = [_Panel(grid[0], rows, tradeoff.by_time, _seconds)]
    if sized:
        panels.append(_Panel(grid[1], sized, [r for r in tradeoff.by_parameters if r in sized], _trained))
    for panel, label in zip(panels, _LABELS, strict=False):
        _draw(panel, results, label)
        if (chosen := tradeoff.recommended) and chosen.result in panel.rows:
            panel.axes.plot(*panel.point(chosen.result), **_RING)
    grid[0].set_ylabel("test accuracy, % (mean over seeds)")
    grid[0].margins(y=0.12)
    grid[0].set_ylim(grid[0].get_ylim())  # settled: the lines to the names must not move the axes again
    _legend(figure, results, rows, tradeoff.recommended is not None)
    for panel in panels:
        _name_front(figure, panel)
    return figure


class _Panel(NamedTuple):
    """Axes, their rows, those on the front, and what a row costs."""

    axes: Axes
    rows: Sequence[RowResult]
    front: Sequence[RowResult]
    cost: Callable[[RowResult], float]

    def point(self, row: RowResult) -> _Point:
        return self.cost(row), _percent(row)

    @property
    def corners(self) -> list[_Point]:
        """The line of the front: level from each of its rows to the cost of the next, then up to it."""
        ends = [*(self.cost(row) for row in self.front[1:]), self.axes.get_xlim()[1]]
        return [
            corner
            for row, end in zip(self.front, ends, strict=True)
            for corner in (self.point(row), (end, _percent(row)))
        ]


def _draw(panel: _Panel, results: Results, label: str) -> None:
    for row in reversed(panel.rows):
        panel.axes.plot(*panel.point(row), **MEAN, color=family_of(results, row).colour)
    log_x(panel.axes, [panel.cost(row) for row in panel.rows], label)
    panel.axes.grid()
    panel.axes.plot(*zip(*panel.corners, strict=True), **_FRONT)


def _name_front(figure: Figure, panel: _Panel) -> None:
    """The names of the front's rows, off its line and off all points."""
    to_pixels, back = panel.axes.transData.transform, panel.axes.transData.inverted().transform

    def box(start: _Point, end: _Point, around: float) -> tuple[float, float, float, float]:
        (x0, y0), (x1, y1) = to_pixels(start), to_pixels(end)
        low, high = back((x0 - around, y0 - around)), back((x1 + around, y1 + around))
        return (*low, *high)

    around_points = [
        box(panel.point(row), panel.point(row), 11 if row in panel.front else 5) for row in panel.rows
    ]
    along_line = [box(start, end, 2) for start, end in pairwise(panel.corners)]
    points, names = [panel.point(row) for row in panel.front], [name_of(row) for row in panel.front]
    write_labels(figure, panel.axes, points, names, [*around_points, *along_line])


def _legend(figure: Figure, results: Results, rows: Sequence[RowResult], ring: bool) -> None:
    kinds = dict.fromkeys(family_of(results, row) for row in rows)
    handles = [Line2D([], [], **MEAN, color=kind.colour, label=kind.label) for kind in kinds]
    handles.append(Line2D([], [], **_FRONT, label="no row is both better and cheaper"))
    if ring:
        handles.append(Line2D([], [], **(_RING | {"markersize": 10}), label="recommended"))
    figure.legend(handles=handles, loc="outside lower left", ncols=4, columnspacing=1.5)


def _seconds(row: RowResult) -> float:
    return fmean(row.seconds())


def _trained(row: RowResult) -> float:
    return float(row.parameters[0]) if row.parameters else 0.0


def _percent(row: RowResult) -> float:
    return 100 * (row.accuracy() or 0.0)
