"""`python -m bench plan`."""

from __future__ import annotations

from bench.run.options import RunOptions
from gptcore.commands.options import with_options


@with_options
def plan(options: RunOptions) -> None:
    """Show what would run, with time and memory estimates, what is done, and what cannot run and why. Runs nothing.

    Also shows how small a difference this study can detect.

    Estimates come from timing a few real steps of every kind of run on this machine, which takes a few seconds.
    Runs that share frozen blocks are estimated with that sharing.
    """
    from bench.commands.progress import (
        choose_jobs,
        forecast,
        show_design,
        show_messages,
        show_plan,
        show_trials,
    )
    from bench.run.several import each_data
    from bench.run.study_run import open_study

    for of_one in each_data(options)[0]:
        study_run = open_study(of_one, will_run=False)
        show_messages(study_run)
        show_trials(study_run)
        show_design(study_run.study)
        study_run = choose_jobs(study_run)
        with study_run.site.open(study_run.session_spec(), study_run.folder, None) as executor:
            show_plan(*forecast(study_run, executor))
