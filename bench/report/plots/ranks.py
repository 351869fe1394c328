"""The critical-difference diagram of rows over several datasets (Demšar 2006, figure 1)."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.evidence.ranks import Ranks
from bench.report.plots import style
from bench.report.plots.canvas import SMALL, new_figure, save, settings
from bench.report.text import fold, sanitize

_NAME = 30  # characters of a row's name


def critical_difference(ranks: Ranks, title: str) -> Figure:
    """Average ranks on a line, best at the left; a bar joins rows that do not differ by more than the CD."""
    names = list(ranks.average)
    half = math.ceil(len(names) / 2)
    depth = 0.5 + 0.3 * len(ranks.groups)  # where names begin, below the bars
    bottom = depth + 0.55 * half
    figure = new_figure(1.5 + 0.45 * (bottom + 1.6), title)
    axes = figure.subplots()
    axes.set(xlim=(1 - 0.45 * len(names), 1.45 * len(names)), ylim=(bottom, -2.2))
    axes.axis("off")
    _draw_scale(axes, len(names), ranks.critical_difference)
    for level, group in enumerate(ranks.groups):
        ends = [ranks.average[group[0]] - 0.04, ranks.average[group[-1]] + 0.04]
        axes.plot(ends, [0.4 + 0.3 * level] * 2, color=style.BASELINE.colour, linewidth=4)
    for place, name in enumerate(names):
        at_left = place < half
        y = depth + 0.55 * (place if at_left else len(names) - 1 - place)
        x, end = ranks.average[name], 0.8 if at_left else len(names) + 0.2
        axes.plot([x, x, end], [0, y, y], color=style.REFERENCE, linewidth=0.8)
        axes.annotate(
            f"{fold(sanitize(name), _NAME, lines=1)}  {x:.2f}"
            if at_left
            else f"{x:.2f}  {fold(sanitize(name), _NAME, 1)}",
            *((end, y), (end + (-0.05 if at_left else 0.05), y)),
            ha="right" if at_left else "left",
            va="center",
            fontsize=SMALL,
        )
    return figure


def _draw_scale(axes: Axes, n_rows: int, difference: float) -> None:
    """The line of ranks, and the critical difference above it."""
    axes.plot([1, n_rows], [0, 0], color=style.BASELINE.colour, linewidth=1.2)
    for rank in range(1, n_rows + 1):
        axes.plot([rank, rank], [-0.15, 0], color=style.BASELINE.colour, linewidth=1)
        axes.annotate(str(rank), (rank, -0.3), ha="center", va="bottom", fontsize=SMALL)
    axes.plot([1, 1 + difference], [-1.3, -1.3], color=style.BASELINE.colour, linewidth=1.5, marker="|")
    label = f"critical difference {difference:.2f} (level 0.05)"
    axes.annotate(label, (1, -1.5), va="bottom", fontsize=SMALL)


def write_ranks(path: Path, ranks: Ranks) -> Path:
    """Draw the diagram as PATH.svg, and return that path."""
    with settings():
        save(critical_difference(ranks, f"Average ranks over {ranks.n_datasets} datasets"), path)
    return path.with_name(f"{path.name}.svg")
