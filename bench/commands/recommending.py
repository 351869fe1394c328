"""Terminal output while a recipe is searched for, for `recommend`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.live import Live
from rich.text import Text

from bench.commands.live import StudyProgress
from bench.commands.progress import console, duration, safe, show_data
from bench.evidence.metric import ACCURACY, Metric
from bench.recommend.opened import Opened
from bench.recommend.state import Clock
from bench.records.record import Record
from bench.report.text import sanitize
from bench.report.units import unit_of
from bench.study.plan import PlannedRun
from gptcore.wording import pluralise


class SearchProgress(StudyProgress):
    """One line per run: its score and its time; the live line says how much of the budget is left."""

    def __init__(
        self, title: str, planned: Sequence[PlannedRun], live: Live, clock: Clock, metric: Metric
    ) -> None:
        super().__init__(planned, live, lambda: None, metric=metric)
        self.title, self.clock = title, clock

    def name_of(self, run: PlannedRun) -> str:
        """The row, what is tried of it, and the seed."""
        recipe = run.recipe
        parts = [", ".join(run.rows)]
        if recipe.trainer == "network":
            parts.append(f"lr = {recipe.lr:g}, {pluralise(recipe.epochs, 'epoch')}")
        if recipe.train_size is not None:
            parts.append(f"{recipe.train_size:,} texts")
        return f"{', '.join(parts)}, seed {run.seed_index}"

    def done(self, run: PlannedRun, record: Record) -> str:
        """The score that this phase may look at. Values are chosen by validation accuracy, or by the metric."""
        assert record.metrics is not None
        assert record.cost is not None
        what, score = "held-out", self.metric.score(record)
        if self.title == "the test part":
            what = "test"
        elif self.title.startswith("choosing") and self.metric is ACCURACY:
            what, score = "validation", record.metrics.validation.accuracy
        took, shown = record.cost.marginal_s, unit_of(self.metric).short(score)
        return f"  {shown:>6} {what + ' ' + self.metric.title:<20}  {took:6.1f} s  {safe(self.name_of(run))}"

    def _eta(self) -> str:
        left = max(0.0, self.clock.left_s)
        return f"{duration(left)} of the budget left"

    def seed(self, seed_index: int) -> None:
        """Nothing to write yet."""


@contextmanager
def show_search(
    title: str, runs: Sequence[PlannedRun], clock: Clock, metric: Metric
) -> Iterator[SearchProgress]:
    """A title, and the live line while runs go on."""
    left = duration(max(0.0, clock.left_s))
    if runs:
        console.print(f"{safe(title)}: {pluralise(len(runs), 'run')}, {left} of the budget left")
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        live.update(Text(sanitize(title)))
        yield SearchProgress(title, runs, live, clock, metric)


def show_opened(opened: Opened) -> None:
    """What will be searched, on which data."""
    for message in opened.messages:
        console.print(safe(message))
    show_data(opened.data)
    dev = opened.dev
    n = len(dev.train) + len(dev.validation) + len(dev.test)
    console.print(
        f"{n:,} development rows, which each seed splits into {len(dev.train):,} to train, {len(dev.validation):,} to "
        f"validate and {len(dev.test):,} held out; {len(opened.data.test):,} test texts wait for the end"
    )
    margin = unit_of(opened.metric).margin(opened.state.margin)
    console.print(
        f"rows are compared by {opened.metric.title}; a loss of less than {margin} counts as none (--margin changes it)"
    )
    for name, reason in opened.cannot.items():
        console.print(f"  skipped {safe(name)}: {safe(reason)}")
