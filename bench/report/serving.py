"""What the trained classifier of each row takes to ship and to ask, as a table of its own."""

from __future__ import annotations

from bench.evidence.results import Results, RowResult
from bench.evidence.serving import served_rows, serving_of
from bench.report.tables import section
from bench.report.text import MISSING, count, escape, file_size, seconds
from gptcore.result import ServingCost
from gptcore.wording import pluralise

NOT_MEASURED = "not measured"
HOW_TO_READ = """\
What a trained classifier takes, medians over the seeds. Saved: what was learned, without the tokenizer's files; with \
its model: the same and the weights that did not learn. Latency: the median time for one text asked alone, on the \
machine of the study; texts a second: many texts in one call. Merged: with the adapter folded into the model."""


def headings(rows: list[tuple[RowResult, ServingCost | None]]) -> list[str]:
    """Of the table; those of merged adapters only where a row has one."""
    found = ["Row", "Saved", "With its model", "Latency, ms", "Texts a second"]
    return [*found, "Merged: latency, ms", "Merged: texts a second"] if _any_merged(rows) else found


def cells(cost: ServingCost | None, n: int) -> list[str]:
    """A row's n figures, in the order of the headings; nothing was measured in older records."""
    if cost is None:
        return [NOT_MEASURED] * n
    found = [file_size(cost.saved_bytes), file_size(cost.with_base_bytes)]
    found += [_milliseconds(cost.latency_p50_s), count(cost.texts_per_s)]
    return [*found, _milliseconds(cost.merged_latency_p50_s), count(cost.merged_texts_per_s)][:n]


def shared_machine(results: Results) -> str:
    """One sentence if runs shared the machine while they were timed; else empty."""
    jobs = max((run.environment.jobs for run in results.done if run.cost and run.cost.serving), default=1)
    return f"Timed while up to {pluralise(jobs, 'run')} shared the machine." if jobs > 1 else ""


def serving_section(results: Results) -> list[str]:
    """The table and how to read it; nothing where no run has measured it."""
    rows = served_rows(results)
    if not rows:
        return []
    names = headings(rows)
    lines = [[escape(result.name), *cells(cost, len(names) - 1)] for result, cost in rows]
    table = section(results, "What ships", names, lines, "l" + "r" * (len(names) - 1))
    return [table, " ".join(filter(None, [HOW_TO_READ, shared_machine(results)]))]


def ships(result: RowResult) -> str:
    """One sentence on a row's classifier: size and latency; empty where they were not measured."""
    cost = serving_of(result)
    if cost is None:
        return ""
    size = file_size(cost.saved_bytes)
    if cost.with_base_bytes != cost.saved_bytes:
        size += f" ({file_size(cost.with_base_bytes)} with its model)"
    return f"Its classifier takes {size} and answers one text in {_milliseconds(cost.latency_p50_s)} ms."


def _any_merged(rows: list[tuple[RowResult, ServingCost | None]]) -> bool:
    return any(cost and cost.merged_latency_p50_s is not None for _, cost in rows)


def _milliseconds(value: float | None) -> str:
    return MISSING if value is None else seconds(1000 * value)
