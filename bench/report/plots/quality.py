"""Plots of calibration and of confusion between classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bench.evidence.metrics import reliability
from bench.evidence.results import Results, RowResult
from bench.report.plots import style
from bench.report.plots.canvas import SMALL, new_figure
from bench.report.plots.limits import first_panels
from bench.report.plots.marks import BEHIND, family_of, name_of
from bench.report.text import class_name, fold, percent, sanitize

_COLUMNS = 5
MOST_CLASSES = 100  # of a confusion matrix that is drawn: of more, a panel could not show each
_WRITTEN = 4  # classes up to which a confusion matrix has its figures written in it
_FEW = 10  # predictions; the accuracy of a bin with fewer is mostly chance, and drawn hollow


def reliability_plot(results: Results, title: str) -> Figure:
    """One panel per row: accuracy against confidence in bins, all seeds pooled; the diagonal is calibrated."""
    rows, title = first_panels(_with_predictions(results), title)
    figure, panels = _panels(len(rows), title, 1.75)
    for axes, row in zip(panels, rows, strict=True):
        bins = reliability([run.test for run in row.done if run.test])
        colour = family_of(results, row).colour
        axes.plot([0, 100], [0, 100], **BEHIND)
        axes.plot([100 * b.confidence for b in bins], [100 * b.accuracy for b in bins], color=colour, lw=1)
        for b in bins:
            face = colour if b.n >= _FEW else "white"
            axes.plot(100 * b.confidence, 100 * b.accuracy, "o", ms=4.5, color=colour, markerfacecolor=face)
        errors = [m.calibration_error for m in row.prediction_metrics]
        _name(axes, row, f"calibration error {percent(fmean(errors), 1)}%")
        axes.set(xlim=(0, 103), ylim=(-3, 103), xticks=[0, 50, 100], yticks=[0, 50, 100], aspect="equal")
        axes.grid()
    grey: dict[str, Any] = {"color": style.REFERENCE, "marker": "o", "linestyle": ""}
    handles = [
        Line2D([], [], **BEHIND, label="calibrated: accuracy equals confidence"),
        Line2D([], [], **grey, label="predictions in a tenth of confidence, all seeds"),
        Line2D([], [], **grey, markerfacecolor="white", label=f"fewer than {_FEW} predictions"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    return figure


def confusion_plot(results: Results, title: str) -> Figure:
    """One panel per row: the share of each true class predicted as each class, all seeds pooled."""
    rows, title = first_panels(_with_predictions(results), title)
    figure, panels = _panels(len(rows), title, 1.9)
    names = [fold(sanitize(class_name(name)), 12, 1) for name in results.study.dataset.label_names]
    places = range(len(names)) if len(names) <= 2 * _WRITTEN else []
    for axes, row in zip(panels, rows, strict=True):
        counts = np.zeros((len(names), len(names)))
        for metrics in row.prediction_metrics:
            for pair, n in metrics.confusion.items():
                counts[pair] += n
        shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        if len(names) <= _WRITTEN:
            for (truth, guess), share in np.ndenumerate(shares):
                ink = "white" if share > 55 else "black"
                axes.text(guess, truth, f"{share:.1f}", ha="center", va="center", color=ink, fontsize=SMALL)
        _name(axes, row)
        axes.set_xticks(places, [names[i] for i in places])
        axes.set_yticks(places, [names[i] for i in places], rotation=90, va="center")
        axes.tick_params(length=0)
    return figure


def _with_predictions(results: Results) -> list[RowResult]:
    """Rows with stored predictions, those of one recipe once."""
    return [
        row
        for row in results.finished
        if any(run.test for run in row.done) and results.first_with_recipe(row) is row
    ]


def _panels(n: int, title: str, height: float) -> tuple[Figure, Sequence[Axes]]:
    """A figure with n panels, in lines of five."""
    columns = min(_COLUMNS, max(n, 3))
    lines = math.ceil(n / columns)
    figure = new_figure(1.2 + (height + 0.25) * lines, title)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[n:]:
        axes.set_visible(False)
    for column in panels[:, n - (lines - 1) * columns :].T:
        if lines > 1:
            column[-2].tick_params(labelbottom=True)
    return figure, list(panels.flat[:n])


def _name(axes: Axes, row: RowResult, more: str = "") -> None:
    axes.set_title(name_of(row, 22) + (f"\n{more}" if more else ""), fontsize=SMALL, loc="left")
