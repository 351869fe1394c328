"""The plots themselves: a study's results and a title in, a figure out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bench.evidence.results import Results, RowResult
from bench.report.curves import Drawn, curve_panels, training_loss, validation_accuracy
from bench.report.plots import style
from bench.report.plots.canvas import SMALL, log_x, new_figure
from bench.report.plots.limits import MOST_LABELS
from bench.report.plots.marks import (
    BEHIND,
    MAJORITY,
    MEAN,
    PUBLISHED,
    SEED,
    draw_dots,
    family_of,
    legend,
    majority_handle,
    name_of,
    write_labels,
)
from bench.report.text import count, percent

_PANEL_NAME = 22  # characters over a panel when there are five in a line


def accuracy(results: Results, rows: Sequence[RowResult], title: str, times: bool = False) -> Figure:
    """One line per row: mean and interval, every seed below it, the published figure, the majority class.

    With `times`, the time of a run of each row stands in a second panel.
    """
    figure = new_figure(1.75 + 0.36 * len(rows), title)
    times = times and any(result.seconds() for result in rows)
    panels = figure.subplots(1, 1 + times, sharey=True, squeeze=False, width_ratios=[3, 2][: 1 + times])[0]
    shares, grid = panels[0], panels[1:]
    for y, result in enumerate(rows):
        colour = family_of(results, result).colour
        if result.interval:
            shares.plot([100 * bound for bound in result.interval], [y, y], color=colour, linewidth=2)
            draw_dots(shares, [100 * share for share in result.accuracies()], y, colour)
        if result.published:
            shares.plot(result.published.test_acc, y - 0.3, **PUBLISHED)
        # The mean in figures, so that a dot need not be measured by eye.
        text = percent(result.accuracy(), 1) if result.done else "not run"
        where = ("axes fraction", "data")
        shares.annotate(text, (1.015, y), xycoords=where, va="center_baseline", fontsize=SMALL)
        for seconds in grid:
            draw_dots(seconds, result.seconds(), y, colour)
    shares.axvline(100 * results.majority, **MAJORITY)
    shares.set(xlabel="test accuracy, %", ylim=(len(rows) - 0.4, -0.6))
    shares.annotate("mean", (1.015, 1), xycoords="axes fraction", fontsize=SMALL, color=style.REFERENCE)
    shares.set_yticks(range(len(rows)), [name_of(result) for result in rows])
    for axes in panels:
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    for axes in grid:
        log_x(axes, [s for result in rows for s in result.seconds()], "time of a run on its own, s")
        axes.spines["left"].set_visible(False)
    legend(figure, results, rows)
    return figure


def accuracy_time(results: Results, title: str) -> Figure:
    """Mean test accuracy of each finished row against the mean time of its runs, each point named.

    Where the names find no room the points are numbered, and where the numbers find none they are bare.
    """
    # Rows of one recipe are one point.
    rows = [r for r in results.finished if r.seconds() and results.first_with_recipe(r) is r]
    points = [(fmean(row.seconds()), 100 * (row.accuracy() or 0)) for row in rows]
    names, numbers = [name_of(row) for row in rows], [str(i) for i in range(1, len(rows) + 1)]
    for labels, numbered in ((names, False), (numbers, True)) if len(rows) <= MOST_LABELS else ():
        figure = _scatter(results, rows, points, title, numbered)
        if write_labels(figure, figure.axes[0], points, labels):
            return figure
    return _scatter(results, rows, points, title, numbered=False)


def _scatter(
    results: Results,
    rows: Sequence[RowResult],
    points: Sequence[tuple[float, float]],
    title: str,
    numbered: bool,
) -> Figure:
    """The points of `accuracy_time`; with `numbered` the legend gives a number and a name for each."""
    figure = new_figure(6.5 + (0.09 * len(rows) if numbered else 0), title)
    axes = figure.subplots()
    # The first rows, and the baseline with them, on top.
    for (x, y), row in reversed(list(zip(points, rows, strict=True))):
        axes.plot(x, y, **MEAN, color=family_of(results, row).colour)
    axes.axhline(100 * results.majority, **MAJORITY)
    log_x(axes, [x for x, _ in points], "time of a run on its own, s (mean over seeds)")
    axes.margins(y=0.1)
    axes.set_ylim(top=min(axes.get_ylim()[1], 103))
    axes.set_ylabel("test accuracy, % (mean over seeds)")
    axes.grid()
    if numbered:
        handles = [
            Line2D(
                [], [], **MEAN, color=family_of(results, row).colour, label=f"{i} {name_of(row, 56, lines=1)}"
            )
            for i, row in enumerate(rows, start=1)
        ]
        handles.append(majority_handle(results))
        figure.legend(handles=handles, loc="outside lower left", ncols=2)
    else:
        legend(figure, results, rows, intervals=False)
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
        colour = family_of(results, row).colour
        axes.plot([x, x], [100 * bound for bound in row.interval or ()], color=colour, linewidth=2)
        axes.plot(x, 100 * (row.accuracy() or 0), **MEAN, color=colour)
        for share in row.accuracies():
            axes.plot(x * aside, 100 * share, **SEED, color=colour)
        if row.published:
            axes.plot(x / aside, row.published.test_acc, **PUBLISHED)
    axes.axhline(100 * results.majority, **MAJORITY)
    axes.set_ylabel("test accuracy, %")
    axes.grid(axis="y")
    axes.margins(y=0.12)
    legend(figure, results, rows)
    write_labels(
        figure,
        axes,
        points=[(x, 100 * row.interval[1]) for x, row in zip(sizes, rows, strict=True) if row.interval],
        names=[f"{name_of(row)} ({count(x)})" for x, row in zip(sizes, rows, strict=True)],
        obstacles=[
            (x / aside**2, 100 * row.interval[0], x * aside**2, 100 * row.interval[1])
            for x, row in zip(sizes, rows, strict=True)
            if row.interval
        ],
    )
    return figure


def loss_curves(results: Results, title: str) -> Figure:
    """One panel per row: training loss of every seed by epoch, over the baseline's."""
    return _small_multiples(results, training_loss, title)


def accuracy_curves(results: Results, title: str) -> Figure:
    """One panel per row: validation accuracy of every seed by epoch, over the baseline's."""
    return _small_multiples(results, validation_accuracy, title, majority=True)


def _small_multiples(results: Results, drawn: Drawn, title: str, majority: bool = False) -> Figure:
    shown, title = curve_panels(results, drawn, title)
    # Long names take wider panels.
    wide = any(len(panel.row.name) > _PANEL_NAME for panel in shown)
    n_columns = min(3 if wide else 5, len(shown))
    n_lines = math.ceil(len(shown) / n_columns)
    figure = new_figure(1.6 + (1.3 if n_columns > 3 else 1.8) * n_lines, title)
    places = figure.subplots(n_lines, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes, panel in zip(places.flat, shown, strict=False):
        # The baseline is behind every other row, and stands out in its own panel.
        for curve in panel.behind:
            axes.plot(*zip(*curve.points, strict=True), **BEHIND)
        for curve in panel.curves:
            colour = family_of(results, panel.row).colour
            axes.plot(*zip(*curve.points, strict=True), color=colour, linewidth=1.2)
        if majority:
            axes.axhline(100 * results.majority, **MAJORITY)
        axes.set_title(name_of(panel.row, 36 if wide else _PANEL_NAME), fontsize=SMALL, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.grid()
    for column in places[:, len(shown) - (n_lines - 1) * n_columns :].T:
        column[-1].set_visible(False)
        column[-2].tick_params(labelbottom=True)
    families = dict.fromkeys(family_of(results, panel.row) for panel in shown)
    handles = [Line2D([], [], color=kind.colour, label=kind.label) for kind in families]
    if any(panel.behind for panel in shown) or any(panel.row is results.baseline for panel in shown):
        handles.append(Line2D([], [], **BEHIND, label="baseline, for comparison"))
    if majority:
        handles.append(majority_handle(results))
    figure.legend(handles=handles, loc="outside lower left", ncols=min(4, len(handles)))
    return figure
