"""`python -m bench report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, echo

from bench.commands.options import Margin, Metric
from gptcore.metric_names import MetricName


def report(
    studies: Annotated[
        list[Path],
        Argument(help="folders of studies, of several data sets or of `recommend`, such as results/embedded"),
    ],
    margin: Margin = None,
    metric: Metric = None,
) -> None:
    """Rewrite report.md, report.html, summary.csv and the plots of a study from its records.

    Of a folder of several data sets it rewrites overall.md and the reports of the studies in it; of a folder of
    `recommend` report.md and report.html, and adds nothing to the time that was spent.
    """
    from bench.records.recommendation import FILE
    from bench.records.store import MANIFEST
    from bench.report.overall import OVERALL

    for folder in studies:
        if not (folder / MANIFEST).exists() and (folder / OVERALL).exists():
            path = _write_overall_of(folder, margin, metric)
        elif not (folder / MANIFEST).exists() and (folder / FILE).exists():
            path = _write_answer_of(folder, margin, metric)
        else:
            path = write_report_of(folder, margin, metric)
        echo(f"report: {path}")


def _write_overall_of(folder: Path, margin: float | None, metric: MetricName | None) -> Path:
    """Write the reports of the studies in a folder and what holds over all of them. Raises UserError."""
    from bench.records.store import MANIFEST
    from bench.report.overall import write_overall
    from gptcore.errors import UserError

    if margin is not None or metric is not None:
        raise UserError(
            f"{folder} holds several studies, judged over all data sets as they were planned: leave out --margin and "
            "--metric, or give one of its studies"
        )
    studies = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    for study in studies:
        write_report_of(study)
    return write_overall(folder, studies)


def _write_answer_of(folder: Path, margin: float | None, metric: MetricName | None) -> Path:
    """Write the report of a recommendation and return its path. Raises UserError."""
    from bench.recommend.read import read_answer
    from bench.records.recommendation import SEARCH
    from bench.report.recommended_page import write_answer
    from gptcore.errors import UserError

    if margin is not None or metric is not None:
        raise UserError(
            f"{folder} holds a recommendation, whose margin and metric are fixed before its first run: leave out "
            f"--margin and --metric, or look at {folder / SEARCH}, its runs as a study"
        )
    return write_answer(folder, read_answer(folder))


def write_report_of(folder: Path, margin: float | None = None, metric: MetricName | None = None) -> Path:
    """Write a study's report from its records and return its path.

    margin: points, of log-loss nats; None: as planned; metric: None: the study's own. Raises UserError if
    the folder holds no study or cannot be written.
    """
    from bench.evidence.metric import METRICS
    from bench.records.lean import Lean
    from bench.records.store import load_records, load_study
    from bench.records.stored import stored_runs
    from bench.report.html import RECORDS_IN_PAGE
    from bench.report.markdown import write_report
    from bench.report.plots.limits import MOST_CURVES
    from gptcore.files import cannot_write
    from gptcore.locks import lock

    study = load_study(folder)
    with lock(folder, "report", wait=True):  # one writer at a time; read the records under the lock
        n_records = sum(1 for _ in stored_runs(folder))
        keep = Lean(MOST_CURVES) if n_records > RECORDS_IN_PAGE else None
        records = list(load_records(folder, keep).values())
        try:
            share = METRICS[metric or study.metric].margin(margin)
            return write_report(folder, study, records, share, metric)
        except OSError as error:
            raise cannot_write(folder, error) from error
