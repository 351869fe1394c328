"""Which row to use: the trade-off of accuracy and cost, and the cheapest row that will do, as Markdown."""

from __future__ import annotations

from bench.evidence.pareto import Candidate, Tradeoff, weigh
from bench.evidence.results import Results
from bench.report.cut import cut_sentences
from bench.report.describe import leak
from bench.report.tables import titled
from bench.report.text import MISSING, count, escape, percent, points_between, seconds

_HOW_TO_READ = """\
The table has the rows that no other beats on both accuracy and time, or on both accuracy and parameters that learn; \
rows of one accuracy are told apart by times alone, which may be noise. A row counts as worse than the best where the \
paired 95% interval lies below zero or McNemar's test has p < 0.05, without a correction for the number of rows: here \
the error to fear is to let a worse row pass. That a row is not significantly worse does not make it equal: the \
interval says how much it may lack."""


def recommendation(results: Results) -> list[str]:
    """The sentence and the table of the rows that are worth considering; nothing where none can be weighed."""
    tradeoff = weigh(results)
    if tradeoff is None:
        return []
    chosen = tradeoff.recommended
    fronts = {row.name for row in (*tradeoff.by_time, *tradeoff.by_parameters)} | {chosen.result.name}
    rows = [_line(one, tradeoff) for one in tradeoff.candidates if one.result.name in fronts]
    headers = [
        *("Row", "Test accuracy, %", "Less the best, points", "Run alone, s", "Parameters trained"),
        *("Fastest for its accuracy", "Fewest parameters for it"),
    ]
    table = titled(results, "Which row to use", headers, rows, "lrrrrll")
    heading, rest = table.split("\n\n", 1)
    return [
        heading,
        _sentence(tradeoff) + _doubt(results, tradeoff) + _leak(results),
        escape(" ".join(cut_sentences(results))),
        rest,
        _HOW_TO_READ,
    ]


def _sentence(tradeoff: Tradeoff) -> str:
    chosen, best = tradeoff.recommended, tradeoff.best
    name = f"**Recommended: {escape(chosen.result.name)}**"
    cost = f"{percent(chosen.result.accuracy())}% in {seconds(chosen.seconds)} s"
    if chosen is tradeoff.candidates[0] and chosen.result is best:
        return f"{name} ({cost}): no row is more accurate, and none is cheaper."
    if chosen.result is best:
        return f"{name} ({cost}), the most accurate row: every cheaper one is significantly worse."
    best_s = next(one.seconds for one in tradeoff.candidates if one.result is best)
    return (
        f"{name} ({cost}), the cheapest row that is not significantly worse than the most accurate one, "
        f"{escape(best.name)} ({percent(best.accuracy())}% in {seconds(best_s)} s): "
        f"a difference of {_difference(chosen)} points."
    )


def _doubt(results: Results, tradeoff: Tradeoff) -> str:
    """That the recommended row may have learned nothing, where that is so."""
    interval = tradeoff.recommended.result.interval
    if interval is None or interval[0] > results.majority:
        return ""
    return (
        " **It is not shown to beat always answering the largest class** "
        f"({percent(results.majority)}%): more texts to test on, or other rows, may tell."
    )


def _leak(results: Results) -> str:
    return f" **{escape(text)}**" if (text := leak(results)) else ""


def _difference(one: Candidate) -> str:
    found = one.against_best.accuracy
    return points_between(found.mean, found.low, found.high)


def _line(one: Candidate, tradeoff: Tradeoff) -> list[str]:
    result = one.result
    name = escape(result.name)
    return [
        f"**{name}** (recommended)" if one is tradeoff.recommended else name,
        percent(result.accuracy()),
        "best" if result is tradeoff.best else _difference(one),
        seconds(one.seconds),
        count(result.parameters[0]) if result.parameters else MISSING,
        "yes" if result in tradeoff.by_time else "",
        "yes" if result in tradeoff.by_parameters else "",
    ]
