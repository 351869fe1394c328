"""Open questions: probabilities, differences not ruled out, seeds needed, and the resolution of a design."""

from __future__ import annotations

from math import exp

from bench.evidence.design import FORECAST_SEEDS, MARGIN_SEEDS, POWER, Design, design_of
from bench.evidence.metric import ACCURACY
from bench.evidence.outlook import Needs, Outlook
from bench.evidence.results import Results, planned_margin
from bench.evidence.verdicts import Verdict
from bench.records.groups import MIN_GROUPS
from bench.report.tables import section
from bench.report.text import MISSING, escape, join, percent
from bench.report.units import Unit, unit_of
from gptcore.wording import pluralise

_NEEDS: dict[Needs, str] = {
    "recipe seeds": "three seeds or more",
    "a few seeds": "a few more seeds",
    "dozens of seeds": "dozens of seeds",
    "hundreds of seeds": "hundreds of seeds",
    "test texts": "more test texts",
}
_HOW_TO_READ = """\
*Probabilities* of a true difference beyond {margin} either way and within it, from the t distribution behind the \
interval (flat prior), unadjusted: they are not verdicts. *Not ruled out*: the largest loss and gain, for all rows \
together that are neither better nor worse. *Needed to decide* is an order of magnitude: the median over the likely \
differences, with a power of {power:.0%} for each, and the total standalone time of the missing runs."""

_BY_GROUP = (
    "The first figure of a range, and those of no difference, hold where texts of one group are independent of each "
    "other; the second where all of them fare alike, with every seed. Which is closer shows only after the runs."
)


def open_section(results: Results, verdicts: dict[str, Verdict]) -> list[str]:
    """The table of undecided rows and how to read it; nothing where there are none."""
    still_open = [verdict for verdict in verdicts.values() if verdict.outlook and is_open(verdict)]
    if not still_open:
        return []
    unit = unit_of(results.metric)
    margin = unit.margin(results.margin)
    rows = [
        [
            escape(verdict.row),
            *(chance(p) for p in (found.worse, found.within, found.better)),
            not_ruled_out(found, unit),
            what_decides(found),
        ]
        for verdict in still_open
        if (found := verdict.outlook)
    ]
    headers = [
        *("Row", f"Worse by > {margin}, %", f"Within {margin}, %", f"Better by > {margin}, %"),
        *(f"Not ruled out, {unit.name}", "Needed to decide"),
    ]
    table = section(results, "Open questions", headers, rows, "lrrrrl")
    return [table, _HOW_TO_READ.format(margin=margin, power=POWER)]


def is_open(verdict: Verdict) -> bool:
    """Whether the verdict leaves the recipes undecided."""
    return verdict.outlook is not None and verdict.outlook.needs is not None


def what_decides(found: Outlook) -> str:
    """In words: dozens of seeds, about 1.2 h."""
    if found.needs is None:
        return MISSING
    text = _NEEDS[found.needs]
    return text if found.minutes is None else f"{text}, about {_duration(found.minutes)}"


def chance(p: float) -> str:
    """A probability in percent, never quite 0 or 100."""
    return "< 1" if p < 0.01 else "> 99" if p > 0.99 else f"{100 * p:.0f}"


def not_ruled_out(found: Outlook, unit: Unit) -> str:
    """The largest loss and the largest gain: −1.20 to +0.40."""
    return f"{unit.signed(-found.loss)} to {unit.signed(found.gain)}"


def margin_note(results: Results) -> str:
    """The margin and how it was chosen."""
    margin = unit_of(results.metric).margin(results.margin)
    if not results.margin_is_planned:
        planned = unit_of(results.metric).margin(planned_margin(results.study, results.metric))
        return (
            f"**The margin is {margin}, not the margin that was planned ({planned}).** A margin that is chosen once "
            "results are known is another chance to err: the error rates hold for the planned one."
        )
    if results.study.margin is not None and results.metric.name == results.study.metric:
        return f"The margin is {margin}, as requested before the first run."
    if results.metric.unit == "nats":
        return (
            f"The margin is {margin}: the probability of the right class, as a geometric mean, changes by "
            f"{100 * (exp(results.margin) - 1):.0f}% (change it with `--margin`)."
        )
    tried = join((f"{100 * each:g}" for each in results.metric.margins), "or")
    if design_of(results.study, results.metric).visible_margin(MARGIN_SEEDS, power=0.5) > results.margin:
        why = f"the largest of {tried} points: {MARGIN_SEEDS} seeds of this design are unlikely to resolve any of them"
    else:
        why = (
            f"the smallest of {tried} points for which {MARGIN_SEEDS} seeds of this design have an even chance of "
            "showing that two equal rows do not differ"
        )
    return f"The margin is {margin}, {why} (change it with `--margin`)."


def design_note(design: Design, n_seeds: int | None = None) -> str:
    """The differences that a study of this size can be expected to detect; n_seeds: its seeds, if known.

    Empty for a metric of which that is not known. With groups a range: it shows only afterwards how far texts of one
    group fare alike.
    """
    if not design.is_forecast:
        return ""
    if not design.can_judge:
        return f"No row can be called better or worse: fewer than {MIN_GROUPS} groups (--group-column)."
    counts = (
        sorted({*FORECAST_SEEDS, n_seeds}) if n_seeds and n_seeds >= FORECAST_SEEDS[0] else FORECAST_SEEDS
    )
    in_metric = "" if design.metric is ACCURACY else f"in {design.metric.title} "
    texts = f"{design.n_examples:,.0f} test texts per seed"
    if design.metric.weighs_classes:
        texts = f"test parts that count as {design.n_examples:,.0f} texts, with every class as large as the smallest"
    if design.n_groups is not None:
        texts += f" of {pluralise(design.n_groups, 'group')}"
    ends = [design] if design.n_groups is None else [design, design.all_alike]
    parts = [
        f"{n} seeds: better or worse from {' to '.join(percent(one.visible_difference(n), 1) for one in ends)} points, "
        f"no difference within {percent(design.visible_margin(n), 1)}"
        for n in counts
    ]
    note = (
        f"Differences {in_metric}that this design can detect for a typical row with a power of {POWER:.0%} "
        f"({design.n_comparisons} comparisons, {texts}): {'; '.join(parts)}."
    )
    return note if design.n_groups is None else f"{note} {_BY_GROUP}"


def _duration(minutes: float) -> str:
    return (
        f"{minutes:.1f} min"
        if minutes < 10
        else f"{minutes:.0f} min"
        if minutes < 90
        else f"{minutes / 60:.1f} h"
    )
