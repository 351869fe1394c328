"""Which row to use: accuracy against cost, and the cheapest row that is accurate enough, as Markdown."""

from __future__ import annotations

from statistics import fmean

from bench.evidence.pareto import Candidate, Tradeoff, weigh
from bench.evidence.results import Results, RowResult
from bench.report.cut import cut_sentences
from bench.report.describe import leak
from bench.report.serving import ships
from bench.report.tables import section
from bench.report.text import MISSING, count, escape, margin_text, percent, points_between, seconds

_HOW_TO_READ = """\
The table has the rows that no other beats on both accuracy and time, or on both accuracy and parameters that learn; \
rows of equal accuracy are ordered by time alone, which may be noise. The recommendation is the cheapest row that is \
shown, after correction for all rows, to lose no more than {margin} against the most accurate row. Not being shown to \
be worse is not a reason to recommend a row. The most accurate row is chosen among the rows with three seeds or more, \
if there are any. Differences have unadjusted 95% intervals."""


def recommendation(results: Results) -> list[str]:
    """The sentence and the table of the rows that are worth considering; nothing where none can be weighed."""
    tradeoff = weigh(results)
    if tradeoff is None:
        return []
    shown = [*tradeoff.by_time, *tradeoff.by_parameters, tradeoff.best]
    if chosen := tradeoff.recommended:
        shown.append(chosen.result)
    fronts = {row.name for row in shown}
    rows = [_line(one, tradeoff) for one in tradeoff.candidates if one.result.name in fronts]
    headers = [
        *(
            "Row",
            "Test accuracy, %",
            "Difference from the best, points",
            f"Loss > {margin_text(results.margin)}",
            "Run alone, s",
            "Parameters trained",
        ),
        *("Fastest for its accuracy", "Fewest parameters for it"),
    ]
    table = section(results, "Which row to use", headers, rows, "lrrlrrll")
    heading, rest = table.split("\n\n", 1)
    return [
        heading,
        _sentence(tradeoff) + _ships(tradeoff) + _doubt(results, tradeoff) + _leak(results),
        escape(" ".join(cut_sentences(results))),
        rest,
        _HOW_TO_READ.format(margin=margin_text(results.margin)),
    ]


def _sentence(tradeoff: Tradeoff) -> str:
    chosen, best = tradeoff.recommended, tradeoff.best
    if chosen is None:
        return _none_yet(tradeoff)
    name = f"**Recommended: {escape(chosen.result.name)}**"
    cost = f"{percent(chosen.result.accuracy())}% in {seconds(chosen.seconds)} s"
    if chosen.result is best and not tradeoff.cheaper:
        return f"{name} ({cost}): no row is more accurate, and none is cheaper."
    if chosen.result is best:
        return f"{name} ({cost}), the most accurate row: every cheaper one is shown to be worse."
    return (
        f"{name} ({cost}), the cheapest row that is shown to lose no more than {margin_text(tradeoff.margin)} against "
        f"the most accurate one, {escape(best.name)} ({_cost(best)}): a difference of {_difference(chosen)} points."
    )


def _ships(tradeoff: Tradeoff) -> str:
    chosen = tradeoff.recommended
    return f" {text}" if chosen and (text := ships(chosen.result)) else ""


def _none_yet(tradeoff: Tradeoff) -> str:
    """Why no row is recommended, and which could be."""
    if not tradeoff.is_of_recipes:
        return (
            "**No recommendation yet: recipes need three seeds or more.** Of the trained models "
            f"{escape(tradeoff.best.name)} is the most accurate ({_cost(tradeoff.best)})."
        )
    worse = [one for one in tradeoff.cheaper if one.is_worse]
    still = next(one for one in tradeoff.cheaper if not one.is_worse)
    text = (
        "**No recommendation yet: the cheaper rows cannot be distinguished from the most accurate one.** "
        f"For none of the {len(tradeoff.cheaper)} rows that are cheaper than {escape(tradeoff.best.name)} "
        f"({_cost(tradeoff.best)}) a loss of more than {margin_text(tradeoff.margin)} is ruled out"
    )
    if worse:
        text += f", and only {len(worse)} {'is' if len(worse) == 1 else 'are'} shown to be worse"
    return (
        f"{text}. The cheapest remaining candidate is {escape(still.result.name)} ({_cost(still.result)}): "
        f"a difference of {_difference(still)} points."
    )


def _cost(result: RowResult) -> str:
    return f"{percent(result.accuracy())}% in {seconds(fmean(result.seconds()))} s"


def _doubt(results: Results, tradeoff: Tradeoff) -> str:
    """A warning if the recommended row may have learned nothing."""
    chosen = tradeoff.recommended.result if tradeoff.recommended else tradeoff.best
    if chosen.interval is None or chosen.interval[0] > results.majority:
        return ""
    if not tradeoff.recommended:
        return (
            f" **Nor is {escape(chosen.name)} shown to beat always predicting the largest class** "
            f"({percent(results.majority)}%)."
        )
    return (
        " **It is not shown to beat always predicting the largest class** "
        f"({percent(results.majority)}%): more test texts or other rows are needed."
    )


def _leak(results: Results) -> str:
    return f" **{escape(text)}**" if (text := leak(results)) else ""


def _difference(one: Candidate) -> str:
    found = one.against_best.estimate.interval()
    return points_between(found.mean, found.low, found.high)


def _line(one: Candidate, tradeoff: Tradeoff) -> list[str]:
    result = one.result
    name = escape(result.name)
    return [
        f"**{name}** (recommended)" if one is tradeoff.recommended else name,
        percent(result.accuracy()),
        "best" if result is tradeoff.best else _difference(one),
        MISSING if result is tradeoff.best else "ruled out" if one.will_do else "possible",
        seconds(one.seconds),
        count(result.parameters[0]) if result.parameters else MISSING,
        "yes" if result in tradeoff.by_time else "",
        "yes" if result in tradeoff.by_parameters else "",
    ]
