"""report.md: what was run on what, the rows, a plot and a paragraph of fact for each question, how to repeat it."""

from __future__ import annotations

from pathlib import Path

from bench.evidence.models import MIN_SEEDS
from bench.evidence.results import Results, collect
from bench.records.files import write_whole
from bench.records.record import Record
from bench.records.study import Study
from bench.report.claims import claims_section
from bench.report.describe import shares_work
from bench.report.facts import paragraph
from bench.report.html import write_html
from bench.report.plots import question_plot, write_plots
from bench.report.prediction import prediction_section
from bench.report.quality import metrics_section, padding_section
from bench.report.recommendation import recommendation
from bench.report.summary import write_summary
from bench.report.tables import (
    facts_table,
    failures_table,
    footnotes,
    rows_table,
    unfinished_table,
)
from bench.report.text import code_block, escape, plain, sentence
from bench.report.verdicts import scatter_section, verdicts_section, warnings_section

_OVERVIEW = ("accuracy-time", "curves-loss", "curves-accuracy", "model-size", "padding-context")
_HOW_TO_READ = """\
*Test accuracy* is the mean over the seeds that finished; *each seed* lists them in order. The *95% interval* is \
{of}. *Training* is the training phase, *run alone* what a run costs by itself from loading to evaluation{here}; \
times are means over the seeds. *Peak memory* is the highest of the seeds."""
_OF_RECIPE = "over other seeds and test texts (Student's t on the logit scale)"
_OF_MODEL = (
    "Wilson's, over other texts than the {n:,} of one seed: one or two seeds say nothing of other seeds"
)


def write_report(folder: Path, study: Study, records: list[Record], margin: float | None = None) -> Path:
    """Write report.md, report.html, summary.csv and plots/ into `folder`, from the records alone.

    Returns report.md's path.

    margin: share, 0 to 1; a difference in accuracy that is shown to be smaller is called none; None: the
    smallest usual one that the study's design can show. The same study
    and records give the same bytes. Plots of an earlier report in `folder` are replaced.
    """
    results = collect(study, records, margin)
    folder.mkdir(parents=True, exist_ok=True)
    write_summary(folder / "summary.csv", results)
    write_html(folder / "report.html", results)
    plots = write_plots(folder / "plots", results)
    path = folder / "report.md"
    write_whole(path, render(results, plots))
    return path


def render(results: Results, plots: dict[str, str]) -> str:
    """The report as Markdown; `plots` are the names and titles of those that were drawn."""
    study = results.study
    parts = [
        f"# Study: {escape(study.name)}",
        sentence(study.about) if study.about else "",
        *(_image(name, plots) for name in ("forest", "accuracy")),
        *recommendation(results, _image("pareto", plots)),
        verdicts_section(results),
        warnings_section(results),
        facts_table(results),
        rows_table(results),
        _how_to_read(results),
        metrics_section(results),
        *(_image(name, plots) for name in ("reliability", "confusion")),
        padding_section(results),
        scatter_section(results),
        unfinished_table(results),
        failures_table(results),
        _notes(results),
        *_overview(plots),
        *_questions(results, plots),
        *claims_section(results),
        prediction_section(results),
        "## How to reproduce",
        *_reproduce(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _how_to_read(results: Results) -> str:
    """What the columns of the table of rows mean."""
    if not results.finished:
        return ""
    n = min(run.metrics.test.n for run in results.done if run.metrics)
    here = ", *run here* what it cost with what earlier runs had left ready" if shares_work(results) else ""
    few = all(len(result.done) < MIN_SEEDS for result in results.finished)
    return _HOW_TO_READ.format(of=_OF_MODEL.format(n=n) if few else _OF_RECIPE, here=here)


def _notes(results: Results) -> str:
    """The footnotes of both tables of rows."""
    notes = footnotes(results).items()
    lines = [f"{i}. **{escape(name)}**: {note}" for i, (name, note) in enumerate(notes, start=1)]
    return "\n\n".join(["## Notes", "\n".join(lines)]) if lines else ""


def _overview(plots: dict[str, str]) -> list[str]:
    images = [_image(name, plots) for name in _OVERVIEW if name in plots]
    return ["## All rows at a glance", *images] if images else []


def _questions(results: Results, plots: dict[str, str]) -> list[str]:
    parts = []
    for question, text in results.study.questions.items():
        rows = [result for result in results.rows if result.row.question == question]
        if rows:
            parts += [f"## {escape(text)}", _image(question_plot(results, question), plots)]
            parts += [paragraph(results, result) for result in rows]
    return parts


def _image(name: str, plots: dict[str, str]) -> str:
    return f"![{escape(plots[name])}](plots/{name}.svg)" if name in plots else ""


def _reproduce(results: Results) -> list[str]:
    study = results.study
    versions = dict.fromkeys(
        f"Python {run.environment.python}, "
        + ", ".join(f"{name} {version}" for name, version in sorted(run.environment.versions.items()))
        for run in results.done
    )
    seeds = "; ".join(f"init {s.init}, order {s.order}, split {s.split}" for s in study.seeds)
    data = study.dataset
    return [
        code_block("\n".join(plain(line) for line in study.command.splitlines())),
        f"Data: {escape(data.name)}, SHA-256 of the labelled rows {escape(data.source_fingerprint)}, "
        f"of the splits {escape(data.fingerprint)}.",
        f"Seeds: {seeds}.",
        f"Versions: {escape('; '.join(versions))}." if versions else "",
        "Every figure above is computed from the records in `runs/`; `summary.csv` has them unrounded, one line "
        "a row and seed.",
    ]
