"""Which row to use: score against cost, and the cheapest row that is good enough, as Markdown."""

from __future__ import annotations

from statistics import fmean

from bench.evidence.metric import ACCURACY
from bench.evidence.pareto import Candidate, Tradeoff, weigh
from bench.evidence.results import Results, RowResult
from bench.report.cut import cut_sentences
from bench.report.describe import leak
from bench.report.serving import ships
from bench.report.tables import section
from bench.report.text import MISSING, count, escape, seconds
from bench.report.units import Unit, unit_of

_HOW_TO_READ = """\
The table has the rows that no other beats on both {metric} and time, or on both {metric} and parameters that learn; \
rows of equal {metric} are ordered by time alone, which may be noise. The recommendation is the cheapest row that is \
shown, after correction for all rows, to lose no more than {margin} against the {best}. Not being shown to \
be worse is not a reason to recommend a row. The {best} is chosen among the rows with three seeds or more, \
if there are any. Differences have unadjusted 95% intervals."""


def recommendation(results: Results) -> list[str]:
    """The sentence and the table of the rows that are worth considering; nothing where none can be weighed."""
    tradeoff = weigh(results)
    if tradeoff is None:
        return []
    unit = unit_of(results.metric)
    shown = [*tradeoff.by_time, *tradeoff.by_parameters, tradeoff.best]
    if chosen := tradeoff.recommended:
        shown.append(chosen.result)
    fronts = {row.name for row in shown}
    rows = [_line(one, tradeoff, unit) for one in tradeoff.candidates if one.result.name in fronts]
    headers = [
        *(
            "Row",
            unit.score_column,
            f"Difference from the best, {unit.name}",
            f"Loss > {unit.margin(results.margin)}",
            "Run alone, s",
            "Parameters trained",
        ),
        *(f"Fastest for its {results.metric.title}", "Fewest parameters for it"),
    ]
    table = section(results, f"Which row to use{unit.by}", headers, rows, "lrrlrrll")
    heading, rest = table.split("\n\n", 1)
    return [
        heading,
        _sentence(tradeoff, unit) + _ships(tradeoff) + _doubt(results, tradeoff) + _leak(results),
        escape(" ".join(cut_sentences(results))),
        rest,
        _HOW_TO_READ.format(
            margin=unit.margin(results.margin), best=unit.best_of("row"), metric=results.metric.title
        ),
    ]


def _sentence(tradeoff: Tradeoff, unit: Unit) -> str:
    chosen, best = tradeoff.recommended, tradeoff.best
    if chosen is None:
        return _none_yet(tradeoff, unit)
    name = f"**Recommended: {escape(chosen.result.name)}**"
    cost = f"{unit.score(chosen.result.score(unit.metric))} in {seconds(chosen.seconds)} s"
    if chosen.result is best and not tradeoff.cheaper:
        return f"{name} ({cost}): no row is {_more(unit)}, and none is cheaper."
    if chosen.result is best:
        return f"{name} ({cost}), the {unit.best_of('row')}: every cheaper one is shown to be worse."
    return (
        f"{name} ({cost}), the cheapest row that is shown to lose no more than {unit.margin(tradeoff.margin)} against "
        f"the {unit.best_of('one')}, {escape(best.name)} ({_cost(best, unit)}): a difference of "
        f"{_difference(chosen, unit)} {unit.name}."
    )


def _ships(tradeoff: Tradeoff) -> str:
    chosen = tradeoff.recommended
    return f" {text}" if chosen and (text := ships(chosen.result)) else ""


def _more(unit: Unit) -> str:
    return "more accurate" if unit.metric is ACCURACY else f"better by {unit.metric.title}"


def _none_yet(tradeoff: Tradeoff, unit: Unit) -> str:
    """Why no row is recommended, and which could be."""
    if not tradeoff.is_of_recipes:
        return (
            "**No recommendation yet: recipes need three seeds or more.** Of the trained models "
            f"{escape(tradeoff.best.name)} is the {unit.best} ({_cost(tradeoff.best, unit)})."
        )
    worse = [one for one in tradeoff.cheaper if one.is_worse]
    still = next(one for one in tradeoff.cheaper if not one.is_worse)
    text = (
        f"**No recommendation yet: the cheaper rows cannot be distinguished from the {unit.best_of('one')}.** "
        f"For none of the {len(tradeoff.cheaper)} rows that are cheaper than {escape(tradeoff.best.name)} "
        f"({_cost(tradeoff.best, unit)}) a loss of more than {unit.margin(tradeoff.margin)} is ruled out"
    )
    if worse:
        text += f", and only {len(worse)} {'is' if len(worse) == 1 else 'are'} shown to be worse"
    return (
        f"{text}. The cheapest remaining candidate is {escape(still.result.name)} "
        f"({_cost(still.result, unit)}): a difference of {_difference(still, unit)} {unit.name}."
    )


def _cost(result: RowResult, unit: Unit) -> str:
    return f"{unit.score(result.score(unit.metric))} in {seconds(fmean(result.seconds()))} s"


def _doubt(results: Results, tradeoff: Tradeoff) -> str:
    """A warning if the recommended row may have learned nothing."""
    chosen = tradeoff.recommended.result if tradeoff.recommended else tradeoff.best
    unit, interval = unit_of(results.metric), chosen.interval_of(results.metric)
    constant = results.constant(results.metric)
    if interval is None or interval[0] > constant:
        return ""
    if not tradeoff.recommended:
        return (
            f" **Nor is {escape(chosen.name)} shown to beat always predicting {unit.constant}** "
            f"({unit.score(constant)})."
        )
    return (
        f" **It is not shown to beat always predicting {unit.constant}** ({unit.score(constant)}): "
        "more test texts or other rows are needed."
    )


def _leak(results: Results) -> str:
    return f" **{escape(text)}**" if (text := leak(results)) else ""


def _difference(one: Candidate, unit: Unit) -> str:
    return unit.between(one.against_best.estimate.interval())


def _loss(one: Candidate) -> str:
    """Of more than the margin against the best."""
    if one.will_do:
        return "ruled out"
    return "shown to be worse" if one.is_worse else "not ruled out"


def _line(one: Candidate, tradeoff: Tradeoff, unit: Unit) -> list[str]:
    result = one.result
    name = escape(result.name)
    return [
        f"**{name}** (recommended)" if one is tradeoff.recommended else name,
        unit.bare(result.score(unit.metric)),
        "best" if result is tradeoff.best else _difference(one, unit),
        MISSING if result is tradeoff.best else _loss(one),
        seconds(one.seconds),
        count(result.parameters[0]) if result.parameters else MISSING,
        "yes" if result in tradeoff.by_time else "",
        "yes" if result in tradeoff.by_parameters else "",
    ]
