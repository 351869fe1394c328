"""What all plots have in common: settings, figures, logarithmic axes, files. Imports matplotlib."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from bench.report.text import count
from gptcore.files import write_whole

WIDTH = 9.0  # inches
SMALL = 9  # points; nothing is written smaller

_SETTINGS: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "grid.color": "#E2E2E2",
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: small files, and words that can be searched
    "svg.hashsalt": "bench",  # the same records give the same bytes
    "text.parse_math": False,  # a dollar sign in a row's name is a dollar sign
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
}


@contextmanager
def settings() -> Iterator[None]:
    """The look of all plots, whatever the user's own matplotlib settings are."""
    with style.context(["default", _SETTINGS]), warnings.catch_warnings():
        # Row names may be in a script that the font does not have.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def new_figure(height: float, title: str) -> Figure:
    """An empty figure of that height in inches, with its title at the top left."""
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    figure.suptitle("\n".join(textwrap.wrap(title, 85)), x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write PATH.svg, without a date."""
    svg = io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None})
    write_whole(path.with_name(f"{path.name}.svg"), svg.getvalue())


def log_x(axes: Axes, values: Sequence[float], label: str) -> None:
    """A logarithmic x axis around the (positive) values, with plain figures at 1, 2 and 5 of each decade."""
    axes.set(xscale="log", xlim=_limits(values), xlabel=label)
    _mark(axes.xaxis, values)


def log_y(axes: Axes, values: Sequence[float], label: str) -> None:
    """The same for the y axis."""
    axes.set(yscale="log", ylim=_limits(values), ylabel=label)
    _mark(axes.yaxis, values)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = max(1.25, (6 / (high / low)) ** 0.5)  # at least two ticks are in view
    return low / margin, high * margin


def _mark(axis: Axis, values: Sequence[float]) -> None:
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(values) / min(values) < 2000 else (1,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda x, _: count(x) if x >= 1000 else f"{x:g}"))
