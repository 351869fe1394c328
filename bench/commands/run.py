"""`python -m bench run`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from typer import Exit, Option, echo

from bench.commands.options import Margin
from bench.commands.report import report, write_report_of
from bench.report.text import sanitize
from bench.run.options import LookOptions, RunOptions, WhereOptions
from gptcore.commands.options import with_options
from gptcore.commands.progress import show_progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.records.record import Record, Status
    from bench.run.study_run import StudyRun
    from bench.study.plan import PlannedRun


@with_options
def run(
    options: RunOptions,
    looks: LookOptions,
    where: WhereOptions,
    verify: Annotated[
        bool,
        Option(
            "--verify",
            help="first compare every run with the plain engine on a sample; a run that disagrees fails",
        ),
    ] = False,
    timeout: Annotated[
        float | None, Option(min=0.001, help="time limit per run in seconds; a run that takes longer fails")
    ] = None,
    keep: Annotated[
        list[str] | None,
        Option(
            help="save the classifiers of these rows at the end, in the study folder under classifiers/: row names, or "
            "best for the recommended row; comma-separated or repeated"
        ),
    ] = None,
    track: Annotated[
        list[str] | None,
        Option(
            help="copy each run that ends to these experiment trackers: mlflow, wandb, trackio; comma-separated or "
            "repeated. A tracker that fails is given up with a warning"
        ),
    ] = None,
    margin: Margin = None,
) -> None:
    """Run whatever is missing from a study and write its report. Safe to interrupt: the same command resumes.

    Several processes started with the same command share the work. With several data sets (`--data a,b,c`) each has
    its study, and overall.md says what holds over all of them.
    """
    from bench.run.executors.choose import site_of
    from bench.run.keep import check_names
    from bench.run.options import split_names
    from bench.run.several import each_data
    from bench.run.study_run import open_study
    from bench.run.together import check_nproc
    from bench.track.track import check_trackers

    trackers = check_trackers(split_names(track or []))
    of_each, whole = each_data(options, looks)
    with site_of(where, looks) as site:
        # What is wrong with any is said first.
        study_runs = [open_study(one, looks, site, margin=margin) for one in of_each]
        for study_run in study_runs:
            check_nproc(where.nproc, study_run, options, verify)
        kept = split_names(keep or [])
        check_names(kept, [row.name for row in study_runs[0].study.rows])
        codes = [_run_one(study_run, verify, timeout, kept, trackers) for study_run in study_runs]
    if whole is not None:
        from bench.report.overall import write_overall

        echo(f"report: {write_overall(whole, [one.folder for one in study_runs])}")
    if any(codes):
        raise Exit(1)


def _run_one(
    study_run: StudyRun,
    verify: bool,
    timeout: float | None,
    kept: list[str],
    trackers: list[str],
) -> int:
    """Run one study and write its report; returns the exit code. Raises Exit where it was interrupted."""
    from bench.commands.live import show_runs
    from bench.commands.progress import (
        choose_jobs,
        forecast,
        show_messages,
        show_result,
        show_warnings,
        warn_of_mixture,
    )
    from bench.commands.tuning import tune
    from bench.evidence.metric import METRICS
    from bench.records.store import load_records, save_study
    from bench.run.execute import execute
    from bench.run.follow import follow, manifest_at_end, manifest_so_far, results_so_far, schedule_of
    from bench.study.plan import blocking
    from bench.track.track import Tracked, Tracking

    show_messages(study_run)
    study_run = choose_jobs(study_run)
    if study_run.trials:
        study_run = tune(study_run, timeout)
        show_messages(study_run)
    save_study(study_run.folder, manifest_so_far(study_run, study_run.records.values()))
    interrupted, failed = False, any(planned.state == "failed" for planned in study_run.plan)
    with study_run.site.open(study_run.session_spec(verify), study_run.folder, timeout) as executor:
        warn_of_mixture(study_run, executor)
        planned_runs, predictions = forecast(study_run, executor)
        write_report = partial(write_report_of, study_run.folder)
        tracking = Tracking(trackers, study_run.study.name, lambda line: show_warnings([line]))

        def do_all(runs: Sequence[PlannedRun], seen: Mapping[str, Record]) -> dict[str, Status]:
            with show_runs(runs, write_report, study_run.jobs, METRICS[study_run.study.metric]) as progress:
                listener = Tracked(progress, tracking)
                return execute(runs, study_run.folder, seen, executor, listener, predictions)

        schedule = schedule_of(study_run, planned_runs, predictions)
        try:
            ended = follow(schedule, study_run, do_all, write_report)
            failed |= "failed" in ended.values()
            records = load_records(study_run.folder)
            why = schedule.ended(results_so_far(study_run, records))
            manifest = manifest_at_end(study_run, records, why)
            save_study(study_run.folder, manifest)
            show_result(why)
        except KeyboardInterrupt:
            interrupted = True
    report([study_run.folder])
    if interrupted:
        echo("interrupted: finished runs are kept; the same command resumes")
        raise Exit(130)
    save_study(study_run.folder, manifest.with_look())
    for name in kept:
        echo(_keep(name, study_run))
    if reasons := blocking(planned_runs):
        others = f" (and {len(reasons) - 1} more reasons)" if len(reasons) > 1 else ""
        show_progress(f"no run of this study can be done here: {reasons[0]}{others}")
        return 1
    return int(failed)


def _keep(name: str, study_run: StudyRun) -> str:
    """Save the classifier of a row; returns one line that says where it is."""
    from bench.evidence.results import collect
    from bench.records.store import load_records
    from bench.run.keep import device_here, keep

    records = list(load_records(study_run.folder).values())
    results = collect(study_run.study, records)
    device = device_here(study_run.device)
    kept = keep(name, results, study_run.data, study_run.folder, device)
    where = "" if device == study_run.device else " (fitted on the CPU, as this machine has no GPU)"
    return sanitize(
        f"kept {kept.row}: {kept.n_equal} of {kept.n_test} test predictions equal those of its record{where}; "
        f'use it: python -m gptcore predict {kept.folder} "some text"'
    )
