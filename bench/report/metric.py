"""What a reader should know of the metric that rows are judged by, where it is not accuracy as planned."""

from __future__ import annotations

from bench.evidence.metric import ACCURACY, METRICS
from bench.evidence.results import Results
from bench.report.text import escape, join


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
