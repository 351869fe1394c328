"""The report's first plot: the gain or loss of each row against its reference row."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bench.evidence.decide import Call
from bench.report.forest import CALLS, Forest
from bench.report.plots import style
from bench.report.plots.canvas import SMALL, new_figure
from bench.report.text import fold

_BAND = "#E9EDF1"
_MARKS: dict[Call, dict[str, Any]] = {
    "better": {"marker": "^"},
    "worse": {"marker": "v"},
    "no difference": {"marker": "s"},
    "undecided": {"marker": "o", "markerfacecolor": "white"},
    "model better": {"marker": "^", "markerfacecolor": "white"},
    "model worse": {"marker": "v", "markerfacecolor": "white"},
}


def forest_plot(forest: Forest, title: str) -> Figure:
    """One line per row: the difference with its interval over the band of the margin, coloured by the verdict."""
    n, factor = len(forest.verdicts), forest.unit.factor
    reach = factor * forest.reach
    figure = new_figure(1.75 + 0.3 * n, title)
    axes = figure.subplots()
    axes.axvspan(-factor * forest.margin, factor * forest.margin, color=_BAND, zorder=0)
    axes.axvline(0, color=style.REFERENCE, linewidth=1, zorder=1)
    for y, verdict in enumerate(forest.verdicts):
        colour, found = CALLS[verdict.call].colour, verdict.difference
        low, high = max(factor * found.low, -reach), min(factor * found.high, reach)
        if low < high:
            axes.plot([low, high], [y, y], color=colour, linewidth=2)
        if abs(factor * found.mean) <= reach:
            axes.plot(
                factor * found.mean, y, color=colour, markersize=7, linestyle="", **_MARKS[verdict.call]
            )
        for side, beyond in ((-1, factor * found.low < -reach), (1, factor * found.high > reach)):
            if beyond:
                axes.plot(side * 0.985 * reach, y, color=colour, marker="<" if side < 0 else ">")
        text = forest.unit.between(found)
        axes.annotate(
            text, (1.015, y), xycoords=("axes fraction", "data"), va="center_baseline", fontsize=SMALL
        )
    axes.set(xlim=(-reach, reach), ylim=(n - 0.4, -0.6), xlabel=forest.axis)
    axes.set_yticks(range(n), [fold(label, 36, 2) for label in forest.labels])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    handles: list[Any] = [
        Line2D([], [], color=CALLS[call].colour, markersize=7, linewidth=2, label=call, **mark)
        for call, mark in _MARKS.items()
        if any(verdict.call == call for verdict in forest.verdicts)
    ]
    handles.append(Patch(color=_BAND, label=f"within {forest.unit.margin(forest.margin)}: no difference"))
    figure.legend(handles=handles, loc="outside lower left", ncols=min(5, len(handles)), columnspacing=1.5)
    return figure
