"""The plots of a report, as SVG. The only package that knows matplotlib, loaded when it draws."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.evidence.pareto import weigh
from bench.evidence.results import Results, RowResult
from bench.report.plots import style
from bench.report.text import sanitize

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Planned = tuple[str, str, "Callable[[str], Figure]"]  # name, title, what draws it


def write_plots(folder: Path, results: Results) -> dict[str, str]:
    """Draw all plots that have data into `folder`, as NAME.svg; returns name -> title.

    Plots of an earlier report that are not drawn this time are removed.
    """
    from bench.report.plots.canvas import save, settings

    folder.mkdir(parents=True, exist_ok=True)
    titles: dict[str, str] = {}
    with settings():
        for name, title, draw in _planned(results):
            titles[name] = sanitize(title) + (" (randomly initialised weights)" if results.untrained else "")
            save(draw(titles[name]), folder / name)
    for old in [*folder.glob("*.svg"), *folder.glob("*.png")]:
        if old.stem not in titles:
            old.unlink()
    return titles


def question_plot(results: Results, question: str) -> str:
    """The name of a question's plot."""
    number = list(results.study.questions).index(question) + 1
    slug = re.sub(r"[^a-z0-9]+", "-", question.lower())[:40].strip("-")
    return f"question-{number}-{slug}".rstrip("-")


def _planned(results: Results) -> Iterator[Planned]:
    """Each plot that has something to show."""
    from bench.report.forest import forest_of
    from bench.report.plots import charts
    from bench.report.plots.forest import forest_plot

    if not results.finished:
        return
    if forest := forest_of(results):
        yield "forest", forest.title, lambda title: forest_plot(forest, title)
    shown = [result for result in results.rows if result.done or result.published]
    yield "accuracy", "Test accuracy of every row", lambda title: charts.accuracy(results, shown, title)
    yield from _cost_and_curves(results)
    yield from _quality(results)
    yield from _sizes_and_padding(results, shown)
    for question, text in results.study.questions.items():
        own = [result for result in shown if result.row.question == question]
        if any(result.done for result in own):
            names = {result.name for result in own} | {result.row.against for result in own}
            rows = [result for result in shown if result.name in names]
            yield question_plot(results, question), text, _bound(charts.accuracy, results, rows)


def _cost_and_curves(results: Results) -> Iterator[Planned]:
    from bench.report.plots import charts
    from bench.report.plots.tradeoff import pareto

    if sum(bool(result.seconds()) for result in results.finished) > 1:
        title = "Test accuracy against the time of a run"
        yield "accuracy-time", title, lambda title: charts.accuracy_time(results, title)
    if tradeoff := weigh(results.by_accuracy):
        title = "Accuracy against cost: time and trained parameters"
        yield "pareto", title, lambda title: pareto(results, tradeoff, title)
    curves = [run.curves for run in results.done if run.curves]
    if any(curve.losses for curve in curves):
        yield "curves-loss", "Training loss (nats) by epoch", lambda title: charts.loss_curves(results, title)
    if any(curve.epochs for curve in curves):
        title = "Validation accuracy (%) by epoch"
        yield "curves-accuracy", title, lambda title: charts.accuracy_curves(results, title)


def _quality(results: Results) -> Iterator[Planned]:
    from bench.report.plots import quality

    if not any(run.test for run in results.done):
        return
    title = "Reliability: correct predictions (%) by confidence (%)"
    yield "reliability", title, lambda title: quality.reliability_plot(results, title)
    if len(results.study.dataset.label_names) <= quality.MOST_CLASSES:
        title = "Confusion: true class (line) and predicted class (column), % of the true class"
        yield "confusion", title, lambda title: quality.confusion_plot(results, title)


def _sizes_and_padding(results: Results, shown: list[RowResult]) -> Iterator[Planned]:
    from bench.report.plots import charts

    baseline = results.baseline
    if baseline is None:
        return
    sizes = [r for r in results.finished if r is baseline or style.is_about_size(r.row, baseline.row)]
    if sum(result.parameters is not None for result in sizes) > 1:
        title = "Test accuracy by model size"
        yield "model-size", title, lambda title: charts.model_size(results, sizes, title)
    padding = [r for r in shown if r is baseline or style.is_about_padding(r.row, baseline.row)]
    if any(result.done for result in padding if result is not baseline):
        title = "Padding and context: test accuracy and time"
        yield "padding-context", title, lambda title: charts.accuracy(results, padding, title, times=True)


def _bound(
    draw: Callable[[Results, list[RowResult], str], Figure], results: Results, rows: list[RowResult]
) -> Callable[[str], Figure]:
    return lambda title: draw(results, rows, title)
