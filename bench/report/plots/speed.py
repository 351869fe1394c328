"""How the cost of both engines grows: with seeds, and with the length of rows. Imports matplotlib."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from matplotlib.axes import Axes

from bench.records.speed import EngineName, SpeedStudy
from bench.report.plots.canvas import log_x, log_y, new_figure, save, settings

COLOURS: dict[EngineName, str] = {"plain": "#8A8A8A", "fast": "#1B6CA8"}
MARKERS: dict[EngineName, str] = {"plain": "s", "fast": "o"}
SEEDS = range(1, 11)


def draw_growth(study: SpeedStudy, path: Path) -> None:
    """Write PATH.svg: seconds of the first row by seeds and by tokens per row, on logarithmic axes."""
    base = study.rows[0]
    with settings():
        figure = new_figure(3.4, f"{study.models}: seconds of the row {base.row}, plain and fast engine")
        by_seeds, by_length = figure.subplots(1, 2)
        first = {engine: base.median_s(engine) for engine in COLOURS}
        further: dict[EngineName, float] = {
            "plain": first["plain"],
            "fast": median(taken.further_s for taken in base.fast),
        }
        lengths = [int(row.recipe.context) for row in study.by_length]
        seconds: dict[EngineName, list[float]] = {}
        for engine in COLOURS:
            seconds[engine] = [first[engine] + (n - 1) * further[engine] for n in SEEDS]
            _line(by_seeds, engine, list(SEEDS), seconds[engine])
            _line(by_length, engine, lengths, [row.median_s(engine) for row in study.by_length])
        by_seeds.set(xlabel="seeds")
        log_y(by_seeds, [*seconds["plain"], *seconds["fast"]], "seconds")
        log_x(by_length, lengths, "tokens per padded row")
        log_y(by_length, [row.median_s(engine) for row in study.by_length for engine in COLOURS], "")
        by_length.set_xticks(lengths, [str(n) for n in lengths])
        by_seeds.legend()
        for axes in (by_seeds, by_length):
            axes.grid(axis="y")
        save(figure, path)


def _line(axes: Axes, engine: EngineName, x: list[int], y: list[float]) -> None:
    axes.plot(x, y, color=COLOURS[engine], marker=MARKERS[engine], markersize=4, label=engine)
