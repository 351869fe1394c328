"""Terminal output while values are chosen for a study's rows, for `run`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.live import Live
from typer import Exit, echo

from bench.commands.live import StudyProgress
from bench.commands.progress import console, safe, show_trials
from bench.records.record import Record
from bench.run.study_run import StudyRun
from bench.run.tune import FOLDER, run_trials
from bench.study.plan import PlannedRun
from gptcore.errors import UserError
from gptcore.wording import pluralise


class TrialProgress(StudyProgress):
    """One line per trial: what it tried, and its accuracy on the validation part, the only one it may see."""

    def __init__(self, planned: Sequence[PlannedRun], live: Live, jobs: int, fields: Sequence[str]) -> None:
        super().__init__(planned, live, lambda: None, jobs)
        self.fields = fields

    def name_of(self, run: PlannedRun) -> str:
        """The row and the values that are tried."""
        values = ", ".join(f"{field}={getattr(run.recipe, field)}" for field in self.fields)
        return f"{', '.join(run.rows)} with {values}, {pluralise(run.recipe.epochs, 'epoch')}"

    def done(self, run: PlannedRun, record: Record) -> str:
        """Its accuracy and its time."""
        assert record.metrics is not None
        assert record.cost is not None
        accuracy, took = record.metrics.validation.accuracy, record.cost.marginal_s
        return f"  {100 * accuracy:5.1f}% validation accuracy  {took:6.1f} s  {safe(self.name_of(run))}"


def tune(study_run: StudyRun, timeout_s: float | None) -> StudyRun:
    """Do the trials of a study, rung by rung; returns the study with the values that were chosen.

    Raises UserError, and Exit where the user interrupts.
    """
    choosing = study_run.opened.choosing
    assert choosing is not None
    fields = list(choosing.tune.fields)
    show_trials(study_run)
    site = study_run.site
    with (
        Live(console=console, refresh_per_second=4, transient=True) as live,
        site.open(study_run.tuning_spec(), study_run.folder / FOLDER, timeout_s) as executor,
    ):
        try:
            run_trials(
                study_run.folder,
                executor,
                study_run.next_trials,
                lambda runs: TrialProgress(runs, live, study_run.jobs, fields),
                choosing.again,
                choosing.refused,
            )
        except KeyboardInterrupt:
            echo("interrupted: finished trials are kept; the same command resumes")
            raise Exit(130) from None
    if failed := choosing.failures():
        reason = safe(failed[0].reason or "no reason was recorded")
        console.print(
            f"{pluralise(len(failed), 'trial')} failed, so its values are not chosen; the first: {reason}"
        )
    found = choosing.now()
    if found.refused and not found.rows:  # nothing of the study can be done: no row is to blame
        raise UserError(next(iter(found.refused.values())))
    for row, why in found.refused.items():
        console.print(safe(f"row {row} is left out: {why}"))
    return study_run.opened.plan()
