"""The plots themselves: a study's results and a title in, a figure out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bench.report.plots import style
from bench.report.plots.canvas import SMALL, log_x, new_figure
from bench.report.plots.labels import Box, place
from bench.report.results import Results, RowResult
from bench.report.text import count, percent, plain, shorten
from bench.run.record import Curves

_MEAN: dict[str, Any] = {"marker": "o", "markersize": 7, "linestyle": "", "markeredgecolor": "white"}
_SEED: dict[str, Any] = {"marker": "o", "markersize": 4, "linestyle": "", "markerfacecolor": "none"}
_BEHIND: dict[str, Any] = {"color": "#A0A0A0", "linewidth": 1, "linestyle": (0, (2, 1.2))}
_PUBLISHED: dict[str, Any] = {
    **{"marker": "D", "markersize": 6, "linestyle": ""},
    **{"markerfacecolor": "none", "markeredgecolor": "#444444"},
}


def accuracy(results: Results, rows: Sequence[RowResult], title: str, times: bool = False) -> Figure:
    """A line a row: mean and interval, every seed below it, the published figure, the majority class.

    With `times`, the time of a run of each row stands in a second panel.
    """
    figure = new_figure(1.75 + 0.36 * len(rows), title)
    times = times and any(result.seconds() for result in rows)
    panels = figure.subplots(1, 1 + times, sharey=True, squeeze=False, width_ratios=[3, 2][: 1 + times])[0]
    shares, grid = panels[0], panels[1:]
    for y, result in enumerate(rows):
        colour = _family(results, result).colour
        if result.interval:
            shares.plot([100 * bound for bound in result.interval], [y, y], color=colour, linewidth=2)
            _dots(shares, [100 * share for share in result.accuracies()], y, colour)
        if result.published:
            shares.plot(result.published.test_acc, y - 0.3, **_PUBLISHED)
        # The mean in figures, so that a dot need not be measured by eye.
        text = percent(result.accuracy(), 1) if result.done else "not run"
        where = ("axes fraction", "data")
        shares.annotate(text, (1.015, y), xycoords=where, va="center_baseline", fontsize=SMALL)
        for seconds in grid:
            _dots(seconds, result.seconds(), y, colour)
    shares.axvline(100 * results.majority, color=style.REFERENCE, linestyle="--", linewidth=1.2, zorder=1)
    shares.set(xlabel="test accuracy, %", ylim=(len(rows) - 0.4, -0.6))
    shares.annotate("mean", (1.015, 1), xycoords="axes fraction", fontsize=SMALL, color=style.REFERENCE)
    shares.set_yticks(range(len(rows)), [_name(result) for result in rows])
    for axes in panels:
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    for axes in grid:
        log_x(axes, [s for result in rows for s in result.seconds()], "time of a run on its own, s")
        axes.spines["left"].set_visible(False)
    _legend(figure, results, rows)
    return figure


def accuracy_time(results: Results, title: str) -> Figure:
    """Mean test accuracy of each finished row against the mean time of its runs, each point named."""
    # Rows of one recipe are one point.
    rows = [r for r in results.finished if r.seconds() and results.first_with_recipe(r) is r]
    points = [(fmean(row.seconds()), 100 * (row.accuracy() or 0)) for row in rows]
    for names, numbered in (
        ([_name(row) for row in rows], False),
        ([str(i + 1) for i in range(len(rows))], True),
    ):
        figure = new_figure(6.5, title)
        axes = figure.subplots()
        # The first rows, and the baseline with them, on top.
        for (x, y), row in reversed(list(zip(points, rows, strict=True))):
            axes.plot(x, y, **_MEAN, color=_family(results, row).colour)
        axes.axhline(100 * results.majority, color=style.REFERENCE, linestyle="--", linewidth=1.2, zorder=1)
        log_x(axes, [x for x, _ in points], "time of a run on its own, s (mean over seeds)")
        axes.margins(y=0.1)
        axes.set_ylim(top=min(axes.get_ylim()[1], 103))
        axes.set_ylabel("test accuracy, % (mean over seeds)")
        axes.grid()
        _legend(figure, results, rows, dots_only=True)
        if numbered:
            key = "\n".join(f"{number} {_name(row)}" for number, row in zip(names, rows, strict=True))
            axes.annotate(key, (1.02, 1), xycoords="axes fraction", va="top", fontsize=SMALL)
        if _write_labels(figure, axes, points, names):
            break
    return figure


def model_size(results: Results, rows: Sequence[RowResult], title: str) -> Figure:
    """Test accuracy with interval and seeds against the parameters of the model."""
    rows = [row for row in rows if row.parameters]
    sizes = [float(row.parameters[1]) for row in rows if row.parameters]
    figure = new_figure(4.8, title)
    axes = figure.subplots()
    log_x(axes, sizes, "parameters of the classifier")
    aside = 1.02 ** math.log2(axes.get_xlim()[1] / axes.get_xlim()[0])  # a hundredth or so of the axis
    for x, row in zip(sizes, rows, strict=True):
        colour = _family(results, row).colour
        axes.plot([x, x], [100 * bound for bound in row.interval or ()], color=colour, linewidth=2)
        axes.plot(x, 100 * (row.accuracy() or 0), **_MEAN, color=colour)
        for share in row.accuracies():
            axes.plot(x * aside, 100 * share, **_SEED, color=colour)
        if row.published:
            axes.plot(x / aside, row.published.test_acc, **_PUBLISHED)
    axes.axhline(100 * results.majority, color=style.REFERENCE, linestyle="--", linewidth=1.2, zorder=1)
    axes.set_ylabel("test accuracy, %")
    axes.grid(axis="y")
    axes.margins(y=0.12)
    _legend(figure, results, rows)
    _write_labels(
        figure,
        axes,
        points=[(x, 100 * row.interval[1]) for x, row in zip(sizes, rows, strict=True) if row.interval],
        names=[f"{_name(row)} ({count(x)})" for x, row in zip(sizes, rows, strict=True)],
        obstacles=[
            (x / aside**2, 100 * row.interval[0], x * aside**2, 100 * row.interval[1])
            for x, row in zip(sizes, rows, strict=True)
            if row.interval
        ],
    )
    return figure


def loss_curves(results: Results, title: str) -> Figure:
    """A panel a row: training loss of every seed by epoch, over the baseline's."""

    def points(curves: Curves) -> tuple[list[float], list[float]]:
        # Steps to an epoch, so that rows of different batch sizes share an axis.
        steps = curves.epochs[0].step / curves.epochs[0].epoch if curves.epochs else 1
        return [p.step / steps for p in curves.losses], [p.loss for p in curves.losses]

    return _small_multiples(results, title, points)


def accuracy_curves(results: Results, title: str) -> Figure:
    """A panel a row: validation accuracy of every seed by epoch, over the baseline's."""

    def points(curves: Curves) -> tuple[list[float], list[float]]:
        epochs = curves.epochs
        return [float(p.epoch) for p in epochs], [100 * p.validation_accuracy for p in epochs]

    return _small_multiples(results, title, points)


def _small_multiples(
    results: Results, title: str, points: Callable[[Curves], tuple[list[float], list[float]]]
) -> Figure:
    def lines(result: RowResult | None) -> list[tuple[list[float], list[float]]]:
        curves = [points(run.curves) for run in (result.done if result else []) if run.curves]
        return [(x, y) for x, y in curves if x]

    rows = [r for r in results.finished if lines(r) and results.first_with_recipe(r) is r]
    n_columns = min(5, len(rows))
    n_lines = math.ceil(len(rows) / n_columns)
    figure = new_figure(1.6 + (1.3 if n_columns > 3 else 2.2) * n_lines, title)
    panels = figure.subplots(n_lines, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes, row in zip(panels.flat, rows, strict=False):
        # The baseline is behind every other row, and stands out in its own panel.
        if row is not results.baseline:
            for x, y in lines(results.baseline):
                axes.plot(x, y, **_BEHIND)
        for x, y in lines(row):
            axes.plot(x, y, color=_family(results, row).colour, linewidth=1.2)
        axes.set_title(_name(row, 22), fontsize=SMALL, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.grid()
    for column in panels[:, len(rows) - (n_lines - 1) * n_columns :].T:
        column[-1].set_visible(False)
        column[-2].tick_params(labelbottom=True)
    families = dict.fromkeys(_family(results, row) for row in rows)
    handles = [Line2D([], [], color=kind.colour, label=kind.label) for kind in families]
    if lines(results.baseline):
        handles.append(Line2D([], [], **_BEHIND, label="baseline, for comparison"))
    figure.legend(handles=handles, loc="outside lower left", ncols=min(4, len(handles)))
    return figure


def _dots(axes: Axes, values: Sequence[float], y: float, colour: str) -> None:
    """The mean on the row's line and every seed below it, equal ones below each other."""
    if not values:
        return
    axes.plot(fmean(values), y, **_MEAN, color=colour)
    step = min(0.14, 0.4 / len(values))
    heights = [y + 0.27 + step * values[:i].count(value) for i, value in enumerate(values)]
    axes.plot(values, heights, **_SEED, color=colour)


def _write_labels(
    figure: Figure,
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    obstacles: Sequence[tuple[float, float, float, float]] = (),
) -> bool:
    """Write a name beside each point, with a line to it where it had to move away; False where there is no room.

    `points` and `obstacles` (x0, y0, x1, y1) are in the units of the axes. Nothing may be added to the figure
    after this: its layout is settled here.
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
    for text, box, point, pixel in zip(texts, boxes or [], points, pixels, strict=False):
        text.set(position=from_pixels(box.centre), ha="center", va="center")
        nearest = box.nearest(pixel)
        if math.dist(nearest, pixel) > 14:
            end = from_pixels(nearest)
            axes.plot([point[0], end[0]], [point[1], end[1]], color=style.REFERENCE, linewidth=0.6, zorder=1)
    return boxes is not None


def _legend(figure: Figure, results: Results, rows: Sequence[RowResult], dots_only: bool = False) -> None:
    """Below the plot: the colours that occur, and what the marks mean."""
    families = dict.fromkeys(_family(results, row) for row in rows)
    handles: list[Artist] = [
        Line2D([], [], **_MEAN, color=kind.colour, label=kind.label) for kind in families
    ]
    if not dots_only:
        grey = style.REFERENCE
        handles.append(Line2D([], [], color=grey, linewidth=2, marker="o", label="mean, 95% Wilson interval"))
        handles.append(Line2D([], [], **_SEED, color=grey, label="one seed"))
        if any(row.published for row in rows):
            handles.append(Line2D([], [], **_PUBLISHED, label="published, one seed"))
    majority = f"majority class, {percent(results.majority, 1)}%"
    handles.append(Line2D([], [], color=style.REFERENCE, linestyle="--", linewidth=1.2, label=majority))
    figure.legend(handles=handles, loc="outside lower left", ncols=min(4, len(handles)), columnspacing=1.5)


def _family(results: Results, result: RowResult) -> style.Family:
    return style.family(result.row, results.baseline.row if results.baseline else None)


def _name(result: RowResult, width: int = 32) -> str:
    return shorten(plain(result.name), width)
