"""The data of the plots in report.html: points, lines and axes, computed from results alone."""

from __future__ import annotations

from statistics import fmean
from typing import Literal, NamedTuple

from bench.evidence.decide import Call
from bench.evidence.pareto import weigh
from bench.evidence.results import Results, RowResult
from bench.report.curves import Curve, Drawn, curve_panels, training_loss, validation_accuracy
from bench.report.forest import CALLS, forest_of
from bench.report.plot_data import Axis, Line, Plot, Point, Reference, Shape
from bench.report.plots.style import BASELINE, FAMILIES, OTHER, Family, family
from bench.report.text import interval, percent, sanitize, seconds
from gptcore.wording import pluralise

# A family, or a verdict, is its place in this list.
KINDS: tuple[Family, ...] = (BASELINE, *FAMILIES, OTHER, *CALLS.values())
_CALL_KINDS = {call: KINDS.index(family) for call, family in CALLS.items()}
_SHAPES: dict[Call, Shape] = {
    **{"better": "up", "worse": "down", "no difference": "square"},
    **{"undecided": "circle-hollow", "model better": "up-hollow", "model worse": "down-hollow"},
}


class Panels(NamedTuple):
    """Small plots that share their axes."""

    title: str
    plots: list[Plot]


def forest(results: Results) -> Plot | None:
    """One band per row: the difference from its reference with its interval, coloured by the verdict."""
    found = forest_of(results)
    if found is None:
        return None
    unit = found.unit
    reach = _rounded(unit.factor * found.reach)
    points: list[Point] = []
    lines: list[Line] = []
    for y, verdict in enumerate(found.verdicts):
        kind, of = _CALL_KINDS[verdict.call], verdict.difference
        text = [
            f"{sanitize(verdict.row)} against {sanitize(verdict.against)}",
            f"{unit.between(of)} {unit.name}, {pluralise(verdict.n_seeds, 'seed')}",
            verdict.call,
        ]
        low, mean, high = (_rounded(unit.factor * at) for at in (of.low, of.mean, of.high))
        beyond = low < -reach, high > reach
        low, high = max(low, -reach), min(high, reach)
        if low < high:
            lines.append(Line([(low, y), (high, y)], "interval", kind))
        if abs(mean) <= reach:
            points.append(Point(mean, y, _SHAPES[verdict.call], kind, tuple(text)))
        if beyond[0]:
            points.append(Point(-reach, y, "left", kind, tuple(text)))
        if beyond[1]:
            points.append(Point(reach, y, "right", kind, tuple(text)))
    return Plot(
        "forest",
        found.title,
        Axis(found.axis, -1.03 * reach, 1.03 * reach),
        Axis("", -0.6, len(found.verdicts) - 0.4, rows=found.labels),
        tuple(points),
        tuple(lines),
        (Reference("x", 0.0, f"equal {results.metric.title}"),),
        band=(_rounded(-unit.factor * found.margin), _rounded(unit.factor * found.margin)),
    )


def accuracy(results: Results) -> Plot | None:
    """One band per row: mean and interval, every seed, the published figure, the majority class."""
    rows = [result for result in results.rows if result.done or result.published]
    if not results.finished:
        return None
    points: list[Point] = []
    lines: list[Line] = []
    for y, result in enumerate(rows):
        kind = _family(results, result)
        if result.interval:
            lines.append(Line([(_percent(bound), y) for bound in result.interval], "interval", kind))
            points += _seeds(result, kind, y + 0.3)
            points.append(_mean(result, kind, _percent(result.accuracy() or 0), y))
        if figures := result.published:
            text = (result.name, f"published: {figures.test_acc:.2f}%, one seed")
            points.append(Point(figures.test_acc, y - 0.3, "published", kind, text))
    shown = [x for line in lines for x, _ in line.points] + [point.x for point in points]
    low, high = _around(_percent(results.majority), *shown)
    return Plot(
        "accuracy",
        "Test accuracy of every row",
        Axis("test accuracy, %", low, high),
        Axis("", -0.6, len(rows) - 0.4, rows=tuple(sanitize(result.name) for result in rows)),
        tuple(points),
        tuple(lines),
        (_majority(results, "x"),),
    )


def accuracy_time(results: Results) -> Plot | None:
    """Mean accuracy with its interval against the time of a run on its own; rows of one recipe are one point."""
    rows = [r for r in results.finished if _time(r) and results.first_with_recipe(r) is r]
    if len(rows) < 2:
        return None
    points: list[Point] = []
    lines: list[Line] = []
    for result in rows:
        kind, x, y = _family(results, result), _time(result), _percent(result.accuracy() or 0)
        lines.append(Line([(x, _percent(bound)) for bound in result.interval or ()], "interval", kind))
        points.append(_mean(result, kind, x, y, label=sanitize(result.name)))
    if tradeoff := weigh(results.by_accuracy):
        front = [(_time(row), _percent(row.accuracy() or 0)) for row in tradeoff.by_time]
        lines.append(Line(front, "front", 0))
    low, high = _around(*(y for line in lines for _, y in line.points))
    times = [point.x for point in points]
    return Plot(
        "accuracy-time",
        "Test accuracy against the time of a run",
        Axis("time of a run on its own, s (mean over seeds)", min(times) / 1.4, max(times) * 1.6, log=True),
        Axis("test accuracy, %", low, high),
        tuple(points),
        tuple(lines),
        (_majority(results, "y"),) if low < _percent(results.majority) else (),
    )


def loss_curves(results: Results) -> Panels:
    """One panel per row: training loss (nats) of every seed by epoch, over the baseline's."""
    return _panels(results, training_loss, "loss", "Training loss, nats, by epoch", "training loss, nats")


def accuracy_curves(results: Results) -> Panels:
    """One panel per row: validation accuracy of every seed by epoch, over the baseline's."""
    title = "Validation accuracy, %, by epoch"
    return _panels(results, validation_accuracy, "validation", title, "validation accuracy, %")


def _panels(results: Results, drawn: Drawn, name: str, title: str, label: str) -> Panels:
    def line(curve: Curve, kind: Literal["curve", "behind"], family: int, *of_run: str) -> Line:
        return Line([(_rounded(x), _rounded(y)) for x, y in curve.points], kind, family, *of_run)

    shown, title = curve_panels(results, drawn, title)
    plots = []
    for i, panel in enumerate(shown):
        kind = _family(results, panel.row)
        behind = [line(curve, "behind", 0) for curve in panel.behind]
        own = [line(one, "curve", kind, f"seed {one.run.seed_index}", one.run.run_id) for one in panel.curves]
        plots.append((f"{name}-{i}", sanitize(panel.row.name), (*behind, *own)))
    everything = [
        pair for _, _, lines in plots for one in lines if one.kind == "curve" for pair in one.points
    ]
    if not everything:
        return Panels(title, [])
    (left, right), (low, high) = (_around(*values) for values in zip(*everything, strict=True))
    x, y = Axis("epoch", left, right), Axis(label, low, high)
    return Panels(title, [Plot(key, row, x, y, lines=lines, compact=True) for key, row, lines in plots])


def _family(results: Results, result: RowResult) -> int:
    baseline = results.baseline_of(result)
    return KINDS.index(family(result.row, baseline.row if baseline else None))


def _mean(result: RowResult, kind: int, x: float, y: float, label: str = "") -> Point:
    n = len(result.done)
    text = [
        sanitize(result.name),
        f"{percent(result.accuracy())}%, mean of {pluralise(n, 'seed')}",
        f"95% interval {interval(result.interval)}",
    ]
    if result.seconds():
        text.append(f"{seconds(_time(result))} s on its own")
    return Point(x, y, "mean", kind, tuple(text), label=label)


def _seeds(result: RowResult, kind: int, y: float) -> list[Point]:
    """Every seed with its record; equal accuracies are stacked."""
    points: list[Point] = []
    for run in result.done:
        share = run.metrics.test.accuracy if run.metrics else 0
        x = _percent(share)
        before = sum(point.x == x for point in points)
        text = (sanitize(result.name), f"seed {run.seed_index}: {percent(share)}%")
        points.append(Point(x, y + min(before, 3) * 0.08, "seed", kind, text, run=run.run_id))
    return points


def _majority(results: Results, axis: Literal["x", "y"]) -> Reference:
    share = results.majority
    return Reference(axis, _percent(share), f"majority class, {percent(share, 1)}%")


def _time(result: RowResult) -> float:
    times = result.seconds()
    return fmean(times) if times else 0.0


def _percent(share: float) -> float:
    return _rounded(100 * share)


def _rounded(value: float) -> float:
    return round(value, 4)


def _around(*values: float) -> tuple[float, float]:
    """A range that shows all values with a little room."""
    low, high = min(values), max(values)
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin
