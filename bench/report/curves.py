"""Training curves, as the panels of the page and of the SVG files show them: one panel per row, a curve per seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.evidence.results import Results, RowResult
from bench.records.record import Curves, Record
from bench.report.plot_data import Pairs
from bench.report.plots.limits import MOST_CURVES, curves_title, first_panels

Drawn = Callable[[Curves], Pairs]


@dataclass(frozen=True)
class Curve:
    """One seed's (epoch, value) pairs."""

    run: Record
    points: Pairs


@dataclass(frozen=True)
class Panel:
    """A row with the curves of its first seeds. behind: those of its baseline, none in the baseline's own panel."""

    row: RowResult
    curves: list[Curve]
    behind: list[Curve]


def training_loss(curves: Curves) -> Pairs:
    """Nats by epoch."""
    # Steps to an epoch, so that rows of different batch sizes share an axis.
    steps = curves.epochs[0].step / curves.epochs[0].epoch if curves.epochs else 1
    return [(point.step / steps, point.loss) for point in curves.losses]


def validation_accuracy(curves: Curves) -> Pairs:
    """Percent by epoch."""
    return [(float(point.epoch), 100 * point.validation_accuracy) for point in curves.epochs]


def curve_panels(results: Results, drawn: Drawn, title: str) -> tuple[list[Panel], str]:
    """A panel for each row with curves, rows of one recipe once, and the title, which says what is left out."""
    rows = [r for r in results.finished if results.first_with_recipe(r) is r and _curves(r, drawn, most=1)]
    rows, title = first_panels(rows, curves_title(title, len(results.study.seeds)))
    behind = {row.name: _curves(row, drawn) for row in map(results.baseline_of, rows) if row}
    panels = []
    for row in rows:
        baseline = results.baseline_of(row)
        of_baseline = behind[baseline.name] if baseline is not None and baseline is not row else []
        panels.append(Panel(row, _curves(row, drawn), of_baseline))
    return panels, title


def _curves(row: RowResult, drawn: Drawn, most: int = MOST_CURVES) -> list[Curve]:
    found: list[Curve] = []
    for run in row.done:
        if run.curves and len(found) < most and (points := drawn(run.curves)):
            found.append(Curve(run, points))
    return found
