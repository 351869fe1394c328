"""What a reader should know of the metric that rows are judged by, where it is not accuracy as planned."""

from __future__ import annotations

from dataclasses import replace

from bench.evidence.metric import ACCURACY, METRICS
from bench.evidence.results import Results, planned_margin
from bench.evidence.variance import independent
from bench.evidence.verdicts import judge
from bench.recommend.offered import has_small_class
from bench.report.table import markdown_table
from bench.report.text import MISSING, escape, join, p_value
from bench.report.units import unit_of

_BESIDE = """\
The smallest class has {smallest:,} of {n:,} test texts, so accuracy and macro-F1 may disagree. These p are corrected \
among themselves and give no verdict: rows are judged by {metric}. To judge by {other}, plan a study with \
`--metric {name}`."""


def metric_notes(results: Results) -> list[str]:
    """Sentences in Markdown; none where rows are judged by accuracy, as planned."""
    metric, planned = results.metric, METRICS[results.study.metric]
    notes = []
    if missing := [escape(result.name) for result in results.without_score]:
        notes.append(
            f"**Not judged by {metric.title}: {join(missing)}, nor rows compared with them.** Their records do not "
            "hold what it needs; those of new runs do."
        )
    if metric is not planned:
        notes.append(
            f"**The study was planned for {planned.title}; this report judges it by {metric.title}.** A metric that "
            "is chosen once results are known is another chance to err: the error rates hold for one metric."
        )
    if metric.unit == "nats":
        notes.append(
            "Log-loss is the mean of minus the logarithm of the probability of the right class; a decrease is an "
            "improvement. A few texts that are answered wrong with great confidence can decide it."
        )
    if metric is not ACCURACY and any(result.claimed for result in results.rows):
        notes.append(
            "The published claims are about accuracy: they are judged by it and corrected with the verdicts on "
            "accuracy, not with these."
        )
    return notes


def other_metric_section(results: Results) -> list[str]:
    """Every comparison by macro-F1 beside accuracy, or the reverse, where a class is small; nothing elsewhere."""
    counts = [n for n in results.study.dataset.test_label_counts if n]
    if len(counts) < 2 or not has_small_class(counts):
        return []
    other = ACCURACY if results.metric.weighs_classes else METRICS["macro-f1"]
    verdicts = judge(replace(results, metric=other, margin=planned_margin(results.study, other)))
    if not verdicts:
        return []
    unit, tested = unit_of(other), independent(results.study.seeds)
    rows = [
        [
            *(escape(one.row), escape(one.against), unit.signed(one.difference.mean)),
            unit.interval(one.difference),
            p_value(one.p_holm) if tested and one.has_enough_groups else MISSING,
        ]
        for one in verdicts.values()
    ]
    headers = ["Row", "Against", f"{unit.difference}, {unit.name}", "95% interval", "Holm p"]
    said = _BESIDE.format(
        smallest=min(counts), n=sum(counts), metric=results.metric.title, other=other.title, name=other.name
    )
    return [f"### The same comparisons by {other.title}", markdown_table(headers, rows, "llrrr"), said]
