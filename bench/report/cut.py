"""Notes on texts truncated at the context, as plain sentences for both reports."""

from __future__ import annotations

from statistics import fmean

from bench.evidence.cut import cut_rows
from bench.evidence.results import Results, RowResult
from bench.report.text import join, percent, sanitize
from gptcore.result import CutTexts

MARK = "†"  # of a verdict about rows that read cut texts
_NAMED = 5  # rows that are listed


def cut_sentences(results: Results) -> list[str]:
    """How many texts which rows truncate, and the accuracy of TF-IDF, which reads whole texts, on truncated ones."""
    by_cut: dict[CutTexts, list[str]] = {}
    for name, cut in cut_rows(results).items():
        by_cut.setdefault(cut, []).append(sanitize(name))
    if not by_cut:
        return []
    lines = [
        f"{cut} and were truncated by {_named(names)}: the rest of a text was not read."
        for cut, names in by_cut.items()
    ]
    return lines + [_whole(result) for result in results.finished if result.row.recipe.backbone is None]


def _whole(result: RowResult) -> str:
    """Of a TF-IDF row."""
    name = sanitize(result.name)
    checks = [(run, run.cut_texts) for run in result.done if run.cut_texts]
    if not checks:
        return f"{name} reads whole texts, so its input differs from theirs."
    whole = fmean(run.metrics.test.accuracy for run, _ in checks if run.metrics)
    cut = fmean(check.test.accuracy for _, check in checks)
    model, tokens = sanitize(checks[0][1].model), checks[0][1].tokens
    return (
        f"{name} reads whole texts ({percent(whole)}%); fitted and tested on texts truncated as for {model}, at "
        f"{tokens:,} tokens, it reaches {percent(cut)}%."
    )


def _named(names: list[str]) -> str:
    more = len(names) - _NAMED
    return join(names if more <= 1 else [*names[:_NAMED], f"{more} more rows"])
