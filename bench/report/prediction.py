"""Forecast and actual cost: how well the plan predicted time and memory of the runs."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, median

from bench.evidence.results import Results, RowResult
from bench.records.record import Record
from bench.report.tables import section
from bench.report.text import MISSING, escape, memory, percent, seconds

_ABOUT = """\
Before the first run, `run` times a few real steps of every kind of run and forecasts each run's time and peak \
memory. *Time* is the run's time in this study, which reuses work of earlier runs; *memory* is the peak of the whole \
process, including memory kept from earlier runs. *Checks* follow each run and are no part of its time: the test \
texts under other paddings, TF-IDF on truncated texts, the classifier timed as it is used. Values are means over the \
seeds that were forecast. The *error* is relative to the actual value, the median over those seeds."""


@dataclass(frozen=True)
class ForecastError:
    """A figure of one run: forecast and actual."""

    predicted: float
    actual: float

    @property
    def error(self) -> float:
        """The absolute error as a share of the actual value."""
        return abs(self.predicted - self.actual) / self.actual


def times(runs: list[Record]) -> list[ForecastError]:
    """Seconds here of the runs that were forecast."""
    costs = [run.cost for run in runs if run.cost]
    return [
        ForecastError(c.predicted_s, c.marginal_s)
        for c in costs
        if c.predicted_s is not None and c.marginal_s
    ]


def memories(runs: list[Record]) -> list[ForecastError]:
    """Bytes of peak memory of the runs that were forecast."""
    costs = [run.cost for run in runs if run.cost]
    return [
        ForecastError(c.predicted_mem_bytes, c.process_mem_bytes)
        for c in costs
        if c.predicted_mem_bytes is not None and c.process_mem_bytes
    ]


def checks(runs: list[Record]) -> list[ForecastError]:
    """Seconds of what followed the runs that were forecast."""
    costs = [run.cost for run in runs if run.cost]
    return [
        ForecastError(c.predicted_checks_s, c.checks_s)
        for c in costs
        if c.predicted_checks_s is not None and c.checks is not None
    ]


def prediction_section(results: Results) -> str:
    """The table of rows with their errors and the medians over all runs; empty where nothing was forecast."""
    time, space = times(results.done), memories(results.done)
    if not time or not space:
        return ""
    headers = ["row", "forecast, s", "actual, s", "error, %", "forecast", "process memory", "error, %"]
    rows = [_cells(result) for result in results.finished if results.first_with_recipe(result) is result]
    table = section(results, "Forecast and actual cost", headers, rows, "lrrrrrr")
    total = _total(time)
    if beside := checks(results.done):
        total += f"; their checks: {_total(beside)}"
    medians = (
        f"Over {len(time)} runs the median error is {percent(median(t.error for t in time), 1)}% of the time "
        f"and {percent(median(s.error for s in space), 1)}% of the memory; all runs together: {total}."
    )
    return "\n\n".join([table, medians, _ABOUT])


def _total(figures: list[ForecastError]) -> str:
    predicted, actual = (sum(f.predicted for f in figures), sum(f.actual for f in figures))
    return f"{seconds(predicted)} s forecast, {seconds(actual)} s actual"


def _cells(result: RowResult) -> list[str]:
    time, space = times(result.done), memories(result.done)
    if not time or not space:
        return [escape(result.name), *[MISSING] * 6]
    return [
        escape(result.name),
        seconds(fmean(t.predicted for t in time)),
        seconds(fmean(t.actual for t in time)),
        percent(median(t.error for t in time), 0),
        memory(round(fmean(s.predicted for s in space))),
        memory(round(fmean(s.actual for s in space))),
        percent(median(s.error for s in space), 0),
    ]
