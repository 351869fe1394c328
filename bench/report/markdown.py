"""report.md: the report as a repository shows it. Plots, sorting and single records are in report.html."""

from __future__ import annotations

from pathlib import Path

from bench.evidence.models import MIN_SEEDS
from bench.evidence.results import Results, collect
from bench.records.record import Record
from bench.records.study import Study
from bench.report.across import across_section
from bench.report.claims import claims_section
from bench.report.describe import shares_work
from bench.report.forest import forest_section
from bench.report.html import write_html
from bench.report.looks import ending_note
from bench.report.metric import metric_notes, other_metric_section
from bench.report.plots import write_plots
from bench.report.prediction import prediction_section
from bench.report.recommendation import recommendation
from bench.report.serving import serving_section
from bench.report.summary import write_summary
from bench.report.tables import (
    facts_table,
    failures_table,
    footnotes,
    rows_table,
    unfinished_table,
)
from bench.report.text import code_block, escape, sanitize, sentence
from bench.report.tuning import tuning_section, untuned_beside
from bench.report.verdicts import scatter_section, verdicts_section, warnings_section
from gptcore.files import write_whole
from gptcore.metric_names import MetricName

_HOW_TO_READ = """\
*Test accuracy* is the mean over the seeds that finished; *each seed* lists them in order. The *95% interval* is \
{of}. *Training* is the training phase. *Run alone* is the time of a run on its own, from loading to evaluation. {here}\
Times are means over the seeds. *Memory added* is the rise of the process's memory above its level at the start of the \
run, the highest of the seeds; a trunk counts in the run that computed it, and older records do not have it."""
_ELSEWHERE = """\
## Plots and more

`report.html` next to this file has every seed's record, plots, verdicts by question, times by phase, metrics beyond \
accuracy and checks with other padding; `plots/` has the plots as SVG. If they are missing, run \
`python -m bench report` on this folder to draw them from the records."""
_OF_RECIPE = "over other seeds and test texts (Student's t on the logit scale)"
_OF_GROUPS = (
    "over other groups of test texts ({n:,} texts per seed): one or two seeds say nothing about other seeds"
)
_OF_MODEL = "Wilson's, over other test texts ({n:,} per seed): one or two seeds say nothing about other seeds"


def write_report(
    folder: Path,
    study: Study,
    records: list[Record],
    margin: float | None = None,
    metric: MetricName | None = None,
) -> Path:
    """Write report.md, report.html, summary.csv and plots/ into `folder`, from the records alone.

    Returns report.md's path. Figures of the same rows at common values come from the study beside it, if there is one.

    margin: share, 0 to 1, of log-loss nats; a difference shown to be smaller counts as none. None: the smallest
    standard margin that the study's design can resolve; metric: None: the study's own. The same study and records give
    the same bytes. Plots of an earlier report in `folder` are replaced.
    """
    results = collect(study, records, margin, metric)
    folder.mkdir(parents=True, exist_ok=True)
    write_summary(folder / "summary.csv", results)
    write_html(folder / "report.html", results)
    write_plots(folder / "plots", results)
    path = folder / "report.md"
    write_whole(path, render(results, untuned_beside(folder, results)))
    return path


def render(results: Results, untuned: Results | None = None) -> str:
    """The report as Markdown. untuned: the study that ran without chosen values, where there is one."""
    study = results.study
    parts = [
        f"# Study: {escape(study.name)}",
        sentence(study.about) if study.about else "",
        escape(ending_note(results)),
        *metric_notes(results),
        forest_section(results),
        *recommendation(results),
        warnings_section(results),
        verdicts_section(results),
        *other_metric_section(results),
        facts_table(results),
        rows_table(results),
        _how_to_read(results),
        across_section(results),
        *serving_section(results),
        scatter_section(results),
        *tuning_section(results, untuned),
        unfinished_table(results),
        failures_table(results),
        _notes(results),
        *claims_section(results),
        prediction_section(results),
        _ELSEWHERE if results.finished else "",
        "## How to reproduce",
        *_reproduce(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _how_to_read(results: Results) -> str:
    """An explanation of the columns of the table of rows."""
    if not results.finished:
        return ""
    n = min(run.metrics.test.n for run in results.done if run.metrics)
    here = (
        "*Run here* is its time in this study, which reuses work of earlier runs. "
        if shares_work(results)
        else ""
    )
    few = all(len(result.done) < MIN_SEEDS for result in results.finished)
    of_model = _OF_MODEL if results.study.dataset.n_test_groups is None else _OF_GROUPS
    return _HOW_TO_READ.format(of=of_model.format(n=n) if few else _OF_RECIPE, here=here)


def _notes(results: Results) -> str:
    """The footnotes of both tables of rows."""
    notes = footnotes(results).items()
    lines = [f"{i}. **{escape(name)}**: {note}" for i, (name, note) in enumerate(notes, start=1)]
    return "\n\n".join(["## Notes", "\n".join(lines)]) if lines else ""


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
        code_block("\n".join(sanitize(line) for line in study.command.splitlines())),
        f"Data: {escape(data.name)}, SHA-256 of the labelled rows {escape(data.source_fingerprint)}, "
        f"of the splits {escape(data.fingerprint)}.",
        f"Seeds: {seeds}.",
        f"Versions: {escape('; '.join(versions))}." if versions else "",
        "Every figure above is computed from this folder's records; `summary.csv` has them unrounded, one line "
        "per row and seed.",
    ]
