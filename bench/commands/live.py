"""Progress in the terminal while a study runs, with an estimate of the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.live import Live
from rich.text import Text

from bench.commands.progress import console, safe
from bench.evidence.metric import ACCURACY, Metric, run_score
from bench.records.record import Record
from bench.report.text import sanitize
from bench.report.units import unit_of
from bench.study.plan import PlannedRun
from gptcore.result import Epoch
from gptcore.wording import pluralise

REPORT_EVERY = 10  # times what it takes to write one


class StudyProgress:
    """One line per finished run, and a live line for the current one."""

    def __init__(
        self,
        planned: Sequence[PlannedRun],
        live: Live,
        write_report: Callable[[], object],
        jobs: int = 1,
        metric: Metric = ACCURACY,
    ) -> None:
        self.write_report, self.jobs, self.metric = write_report, jobs, metric
        self.left = {run.run_id: run for run in planned if run.state == "todo"}
        self.n_runs, self.n_ended = len(self.left), 0
        self.live = live
        self.seconds: dict[str, float] = {}  # by recipe, of its latest run
        self.current: PlannedRun | None = None  # of several the one that was heard of last
        self.began = time.monotonic()
        self.reported, self.report_s = self.began, 0.0  # when the report was last written, and what that took

    def name_of(self, run: PlannedRun) -> str:
        """What a run is called in its line."""
        return f"{', '.join(run.rows)} seed {run.seed_index}"

    def start(self, run: PlannedRun) -> None:
        """A run begins."""
        self.current, self.began = run, time.monotonic()
        self._show("")

    def epoch(self, run: PlannedRun, epoch: Epoch) -> None:
        """An epoch of a run has ended."""
        self.current = run
        self._show(f"epoch {epoch.epoch}, validation accuracy {100 * epoch.validation_accuracy:.1f}%")

    def end(self, run: PlannedRun, record: Record) -> None:
        """A run has ended: done, failed or skipped."""
        name = self.name_of(run)
        if record.status == "skipped":
            if run.seed_index == 0:
                self.live.console.print(f"  skipped {safe(name)}: {safe(record.reason or '')}")
            return
        self.n_ended += 1
        self.left.pop(run.run_id, None)
        if record.status == "failed" or record.metrics is None or record.cost is None:
            self.live.console.print(f"  [red]failed[/] {safe(name)}: {safe(record.reason or '')}")
            return
        self.seconds[run.recipe_id] = record.cost.busy_s
        self.live.console.print(self.done(run, record))

    def done(self, run: PlannedRun, record: Record) -> str:
        """The line of a run that has scores: by the metric that judges rows."""
        assert record.cost is not None
        shown, took = unit_of(self.metric).short(run_score(record, self.metric)), record.cost.marginal_s
        return f"  {shown:>6} test {self.metric.title}  {took:6.1f} s  {safe(self.name_of(run))}"

    def retry(self, run: PlannedRun, reason: str) -> None:
        """A run has lost its worker, and is tried again."""
        name = self.name_of(run)
        self.live.console.print(f"  [yellow]again[/] {safe(name)}: {safe(reason)}")

    def refuse(self, run: PlannedRun, reason: str) -> None:
        """A run cannot be done before the user has changed something."""
        self.n_ended += 1
        self.left.pop(run.run_id, None)
        name = self.name_of(run)
        self.live.console.print(f"  [red]not run[/] {safe(name)}: {safe(reason)}")

    def wait(self, runs: Sequence[PlannedRun]) -> None:
        """Other processes are doing all remaining runs."""
        self.live.update(Text(f"waiting for another process to finish {pluralise(len(runs), 'run')}"))

    def seed(self, seed_index: int) -> None:
        """Every row has finished this seed: rewrite the report with what is known so far.

        Not where that would take more than a tenth of the time, as it would with thousands of short runs.
        """
        began = time.monotonic()
        if began - self.reported < REPORT_EVERY * self.report_s:
            return
        self.live.update(Text(f"writing the report after seed {seed_index}"))
        self.write_report()
        self.reported = time.monotonic()
        self.report_s = self.reported - began

    def _show(self, what: str) -> None:
        if self.current is None or self.current.state != "todo":
            return
        self.live.update(_Line(self, self.current, what))

    def line(self, run: PlannedRun, what: str) -> str:
        """What is shown while a run goes on."""
        return f"[{self.n_ended + 1}/{self.n_runs}] {sanitize(self.name_of(run))}  {what}  {self._eta()}"

    def _eta(self) -> str:
        """Time left: a recipe takes as long as its previous seed; one not seen yet, the mean of those seen."""
        if not self.seconds:
            return ""
        mean = sum(self.seconds.values()) / len(self.seconds)
        total = sum(self.seconds.get(run.recipe_id, mean) for run in self.left.values())
        left = max(0.0, total / self.jobs - (time.monotonic() - self.began))
        return f"about {left / 60:.0f} min left" if left > 90 else f"about {left:.0f} s left"


@dataclass(frozen=True)
class _Line:
    """The live line, written when the terminal shows it: events may come much faster."""

    progress: StudyProgress
    run: PlannedRun
    what: str

    def __rich__(self) -> Text:
        return Text(self.progress.line(self.run, self.what))


@contextmanager
def show_runs(
    planned: Sequence[PlannedRun],
    write_report: Callable[[], object],
    jobs: int = 1,
    metric: Metric = ACCURACY,
) -> Iterator[StudyProgress]:
    """Show the live line while the block runs; the report is written whenever a seed is complete.

    jobs: runs at a time, this process's among them; metric: by which rows are judged.
    """
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield StudyProgress(planned, live, write_report, jobs, metric)
