"""The marks that all plots share: what a mean, a seed, a published figure look like, and how rows are named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.evidence.results import Results, RowResult
from bench.report.plots import style
from bench.report.plots.canvas import SMALL
from bench.report.plots.labels import Box, place
from bench.report.text import fold, percent, sanitize

MEAN: dict[str, Any] = {"marker": "o", "markersize": 7, "linestyle": "", "markeredgecolor": "white"}
SEED: dict[str, Any] = {"marker": "o", "markersize": 4, "linestyle": "", "markerfacecolor": "none"}
MAJORITY: dict[str, Any] = {"color": style.REFERENCE, "linestyle": "--", "linewidth": 1.2, "zorder": 1}
BEHIND: dict[str, Any] = {"color": "#A0A0A0", "linewidth": 1, "linestyle": (0, (2, 1.2))}
PUBLISHED: dict[str, Any] = {
    **{"marker": "D", "markersize": 6, "linestyle": ""},
    **{"markerfacecolor": "none", "markeredgecolor": "#444444"},
}


def name_of(result: RowResult, width: int = 36, lines: int = 2) -> str:
    """A row's name, folded to at most that many characters and lines."""
    return fold(sanitize(result.name), width, lines)


def family_of(results: Results, result: RowResult) -> style.Family:
    """The kind of change that a row makes to the baseline of its model."""
    return style.family(result.row, baseline.row if (baseline := results.baseline_of(result)) else None)


def draw_dots(axes: Axes, values: Sequence[float], y: float, colour: str) -> None:
    """The mean on the row's line and every seed below it, equal ones below each other."""
    if not values:
        return
    axes.plot(fmean(values), y, **MEAN, color=colour)
    step = min(0.14, 0.4 / len(values))
    heights = [y + 0.27 + step * values[:i].count(value) for i, value in enumerate(values)]
    axes.plot(values, heights, **SEED, color=colour)


def write_labels(
    figure: Figure,
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    obstacles: Sequence[tuple[float, float, float, float]] = (),
) -> bool:
    """Write a name next to each point, with a line to it where it had to move away.

    Writes nothing and returns False if there is no room. `points` and `obstacles` (x0, y0, x1, y1) are in the
    units of the axes. Nothing may be added to the figure after this: its layout is settled here.
    """
    texts = [axes.text(x, y, name, fontsize=SMALL) for (x, y), name in zip(points, names, strict=True)]
    for text in texts:
        text.set_in_layout(False)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    to_pixels, from_pixels = axes.transData.transform, axes.transData.inverted().transform
    pixels = [(float(x), float(y)) for x, y in to_pixels(points)]
    boxes = place(
        pixels,
        sizes=[(extent.width + 4, extent.height + 2) for extent in (t.get_window_extent() for t in texts)],
        bounds=Box(*axes.get_window_extent().extents),
        radius=6,
        obstacles=[Box(*to_pixels(corners[:2]), *to_pixels(corners[2:])) for corners in obstacles],
    )
    if boxes is None:
        for text in texts:
            text.remove()
        return False
    for text, box, point, pixel in zip(texts, boxes, points, pixels, strict=True):
        text.set(position=from_pixels(box.centre), ha="center", va="center")
        nearest = box.nearest(pixel)
        if math.dist(nearest, pixel) > 14:
            end = from_pixels(nearest)
            axes.plot([point[0], end[0]], [point[1], end[1]], color=style.REFERENCE, linewidth=0.6, zorder=1)
    return True


def majority_handle(results: Results) -> Line2D:
    """The legend's line for always predicting the largest class of the test split."""
    return Line2D([], [], **MAJORITY, label=f"majority class, {percent(results.majority, 1)}%")


def legend(figure: Figure, results: Results, rows: Sequence[RowResult], intervals: bool = True) -> None:
    """Below the plot: the colours that occur, and what the marks mean."""
    kinds = dict.fromkeys(family_of(results, row) for row in rows)
    handles: list[Artist] = [Line2D([], [], **MEAN, color=kind.colour, label=kind.label) for kind in kinds]
    if intervals:
        grey = style.REFERENCE
        handles.append(Line2D([], [], color=grey, linewidth=2, marker="o", label="mean, 95% interval"))
        handles.append(Line2D([], [], **SEED, color=grey, label="one seed"))
        if any(row.published for row in rows):
            handles.append(Line2D([], [], **PUBLISHED, label="published, one seed"))
    handles.append(majority_handle(results))
    figure.legend(handles=handles, loc="outside lower left", ncols=min(4, len(handles)), columnspacing=1.5)
