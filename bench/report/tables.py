"""The tables of a report, as Markdown."""

from __future__ import annotations

from statistics import fmean

from bench.evidence.metric import ACCURACY
from bench.evidence.results import Results
from bench.records.record import Record
from bench.records.study import Published
from bench.report import describe
from bench.report.table import markdown_table
from bench.report.text import (
    MISSING,
    count,
    escape,
    interval,
    join,
    memory,
    percent,
    seconds,
    superscript,
)
from bench.report.units import unit_of


def section(results: Results, title: str, headers: list[str], rows: list[list[str]], align: str) -> str:
    """A Markdown table under its heading, with a warning if its models have no pretrained weights.

    Cells must be escaped. `align` has one letter per column: r for figures, l for text.
    """
    return "\n\n".join(
        filter(None, [f"## {title}", untrained_note(results), markdown_table(headers, rows, align)])
    )


def untrained_note(results: Results) -> str:
    """One line if figures are of models without pretrained weights; empty otherwise."""
    note = describe.untrained(results)
    return f"*{escape(note)}*" if note else ""


def facts_table(results: Results) -> str:
    """The study's setup as a table."""
    return section(results, "Study setup", ["", ""], facts_rows(results), "ll")


def facts_rows(results: Results) -> list[list[str]]:
    """The study's setup: name and value, escaped."""
    return [[escape(name), escape(value)] for name, value in describe.study_facts(results)]


def rows_table(results: Results) -> str:
    """The rows that ran: accuracy with its interval, every seed, cost, and the published figures."""
    finished = results.finished
    if not finished:
        return "## Results\n\nNo run has finished yet."
    marks = _marks(results)
    engine = join(sorted({run.engine for run in results.done}))
    headers = [
        *("Row", "Change", "Test accuracy, %", "95% interval", "Each seed", "Validation, %"),
        *(
            f"Training, s ({engine} engine)",
            "Run alone, s",
            *(["Run here, s"] if describe.shares_work(results) else []),
        ),
        *("Parameters trained / all", "Memory added"),
    ]
    unit = unit_of(results.metric)
    by_other = results.metric is not ACCURACY
    if by_other:
        headers[2:2] = [unit.score_column, f"95% interval of {results.metric.title}"]
    published = any(result.published for result in finished)
    if published:
        headers += ["Published test, %", "Published, min (A100)"]
    rows = []
    for result in finished:
        trained, total = result.parameters or (None, None)
        cells = [
            escape(result.name) + marks.get(result.name, ""),
            escape(describe.change(results, result)),
            percent(result.accuracy()),
            interval(result.interval),
            " · ".join(_seed_cell(run) for run in result.runs),
            percent(result.accuracy("validation")),
            seconds(mean(result.seconds("train"))),
            seconds(mean(result.seconds("alone"))),
            *([seconds(mean(result.seconds("here")))] if describe.shares_work(results) else []),
            MISSING if total is None else f"{count(trained)} / {count(total)}",
            memory(result.added_mem_bytes),
        ]
        if by_other:
            score, bounds = result.score(results.metric), result.interval_of(results.metric)
            cells[2:2] = [unit.bare(score), unit.score_interval(bounds)]
        rows.append(cells + (_figures(result.published) if published else []))
    align = "ll" + "r" * (len(headers) - 2)
    if not results.axis:
        return section(results, "Results", headers, rows, align)
    groups: dict[str, list[list[str]]] = {}
    for result, cells in zip(finished, rows, strict=True):
        model = result.row.recipe.model if result.row.matrix_row else "Rows about a model of their own"
        groups.setdefault(model, []).append(cells)
    tables = [
        f"### {escape(model)}\n\n{markdown_table(headers, rows, align)}" for model, rows in groups.items()
    ]
    return "\n\n".join(filter(None, ["## Results", untrained_note(results), *tables]))


def footnotes(results: Results) -> dict[str, str]:
    """Row name -> notes for the reader, escaped, in the order of the marks."""
    return {name: escape(note) for name, note in describe.notes(results).items()}


def unfinished_table(results: Results) -> str:
    """The rows without a finished run, with the reason and their published figures; empty if all have run."""
    marks = _marks(results)
    rows = [
        [
            escape(result.name) + marks.get(result.name, ""),
            escape(describe.change(results, result)),
            result.status,
            escape(result.reason),
            *_figures(result.claimed),
        ]
        for result in results.unfinished
    ]
    if not rows:
        return ""
    headers = ["Row", "Change", "Status", "Reason", "Published test, %", "Published, min (A100)"]
    return section(results, "Rows without a finished run", headers, rows, "llllrr")


def failures_table(results: Results) -> str:
    """Every failed run with its reason; empty where none failed."""
    rows = [
        [escape(result.name), str(run.seed_index), escape(run.reason or "no reason was recorded")]
        for result in results.rows
        for run in result.runs
        if run is not None and run.status == "failed" and results.first_with_recipe(result) is result
    ]
    return section(results, "Failed runs", ["Row", "Seed", "Reason"], rows, "lrl") if rows else ""


def mean(values: list[float]) -> float | None:
    """Arithmetic mean; None without values."""
    return fmean(values) if values else None


def _marks(results: Results) -> dict[str, str]:
    """Row name -> the mark of its footnote."""
    return {name: f" {superscript(i)}" for i, name in enumerate(footnotes(results), start=1)}


def _figures(published: Published | None) -> list[str]:
    """Published test accuracy and minutes."""
    if published is None:
        return [MISSING, MISSING]
    return [f"{published.test_acc:.2f}", f"{published.minutes_a100:.2f}"]


def _seed_cell(run: Record | None) -> str:
    if run is None:
        return MISSING
    return percent(run.metrics.test.accuracy) if run.status == "done" and run.metrics else run.status
