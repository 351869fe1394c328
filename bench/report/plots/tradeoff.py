"""Accuracy against cost, with the rows that no other beats on both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.evidence.pareto import Tradeoff
from bench.report.plots import style
from bench.report.plots.canvas import log_x, new_figure
from bench.report.plots.marks import MEAN, family_of, name_of, write_labels
from bench.report.results import Results, RowResult

_FRONT: dict[str, Any] = {"color": style.REFERENCE, "linewidth": 1.2, "drawstyle": "steps-post", "zorder": 1}
_RING: dict[str, Any] = {
    **{"marker": "o", "markersize": 15, "linestyle": "", "markerfacecolor": "none"},
    **{"markeredgecolor": "#000000", "markeredgewidth": 1.5},
}


def pareto(results: Results, tradeoff: Tradeoff, title: str) -> Figure:
    """Two panels, time and parameters that learn: every row a point, the front a line with its rows named."""
    figure = new_figure(5.6, title)
    time, size = figure.subplots(1, 2, sharey=True)
    rows = [one.result for one in tradeoff.candidates]
    sized = [row for row in rows if row.parameters and row.parameters[0]]
    _panel(time, results, rows, _seconds, "time of a run on its own, s (mean over seeds)")
    _panel(size, results, sized, _trained, "parameters that learn")
    time.set_ylabel("test accuracy, % (mean over seeds)")
    time.margins(y=0.12)
    fronts = ((time, tradeoff.by_time, _seconds), (size, tradeoff.by_parameters, _trained))
    for axes, front, cost in fronts:
        shown = [row for row in front if cost(row) > 0]
        if shown:
            ends = [*map(cost, shown), axes.get_xlim()[1]]
            heights = [*map(_percent, shown), _percent(shown[-1])]
            axes.plot(ends, heights, **_FRONT)
        if tradeoff.recommended.result in (rows if axes is time else sized):
            axes.plot(cost(tradeoff.recommended.result), _percent(tradeoff.recommended.result), **_RING)
    _legend(figure, results, rows)
    for axes, front, cost in fronts:
        _name(figure, axes, [row for row in front if cost(row) > 0], rows if axes is time else sized, cost)
    return figure


def _panel(
    axes: Axes, results: Results, rows: Sequence[RowResult], cost: Callable[[RowResult], float], label: str
) -> None:
    for row in reversed(rows):
        axes.plot(cost(row), _percent(row), **MEAN, color=family_of(results, row).colour)
    if rows:
        log_x(axes, [cost(row) for row in rows], label)
    axes.grid()


def _name(
    figure: Figure,
    axes: Axes,
    front: Sequence[RowResult],
    rows: Sequence[RowResult],
    cost: Callable[[RowResult], float],
) -> None:
    """The names of the front's rows, off the points of the others."""
    others = [axes.transData.transform((cost(row), _percent(row))) for row in rows if row not in front]
    back = axes.transData.inverted().transform
    obstacles = [(*back((x - 5, y - 5)), *back((x + 5, y + 5))) for x, y in others]
    write_labels(
        figure,
        axes,
        [(cost(row), _percent(row)) for row in front],
        [name_of(row) for row in front],
        obstacles,
    )


def _legend(figure: Figure, results: Results, rows: Sequence[RowResult]) -> None:
    kinds = dict.fromkeys(family_of(results, row) for row in rows)
    handles = [Line2D([], [], **MEAN, color=kind.colour, label=kind.label) for kind in kinds]
    handles.append(
        Line2D([], [], **(_FRONT | {"drawstyle": "default"}), label="no row is better and cheaper")
    )
    ring = _RING | {"markersize": 10}
    handles.append(Line2D([], [], **ring, label="recommended"))
    figure.legend(handles=handles, loc="outside lower left", ncols=4, columnspacing=1.5)


def _seconds(row: RowResult) -> float:
    return fmean(row.seconds())


def _trained(row: RowResult) -> float:
    return float(row.parameters[0]) if row.parameters else 0.0


def _percent(row: RowResult) -> float:
    return 100 * (row.accuracy() or 0.0)
