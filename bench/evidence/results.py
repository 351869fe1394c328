"""A study and its records, brought together row by row: what every table, plot and sentence is computed from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import isclose
from statistics import fmean

import numpy as np

from bench.evidence.accuracy import accuracy_interval, interval_of
from bench.evidence.design import design_of
from bench.evidence.metric import ACCURACY, METRICS, Metric
from bench.evidence.metrics import PredictionMetrics, metrics_of
from bench.evidence.remember import remembered
from bench.published.table import PublishedTable, load_table
from bench.records.record import Record
from bench.records.study import Published, Row, Study, has_same_checkpoint
from gptcore.metric_names import MetricName


@dataclass(frozen=True)
class RowResult:
    """A row with its records, one slot a seed that it should have; None where there is no record."""

    row: Row
    recipe_id: str
    runs: tuple[Record | None, ...]
    claimed: Published | None  # published figures, where they are of this dataset
    published: Published | None  # the same where they are of this model too, and stand beside ours

    @property
    def name(self) -> str:
        """The row's name."""
        return self.row.name

    @cached_property
    def done(self) -> list[Record]:
        """The finished runs, in the order of the seeds."""
        return [run for run in self.runs if run is not None and run.status == "done" and run.metrics]

    def has_reached(self, n_seeds: int) -> bool:
        """Whether each of the first `n_seeds` seeds has run, be it that some have failed."""
        return len(self.runs) >= n_seeds and all(run is not None for run in self.runs[:n_seeds])

    def has_all(self, n_seeds: int) -> bool:
        """Whether each of the first `n_seeds` seeds has finished."""
        return all(seed in self.by_seed for seed in range(n_seeds))

    @cached_property
    def by_seed(self) -> dict[int, Record]:
        """Seed index -> finished run."""
        return {run.seed_index: run for run in self.done}

    @cached_property
    def prediction_metrics(self) -> list[PredictionMetrics]:
        """Metrics of the test predictions of each finished run that left them, in the order of the seeds."""
        return [metrics for run in self.done if (metrics := metrics_of(run))]

    @property
    def status(self) -> str:
        """'done' (at least one run is), 'excluded', 'failed', 'skipped' or 'not run'."""
        if self.done:
            return "done"
        if self.row.excluded:
            return "excluded"
        statuses = [run.status for run in self.runs if run is not None]
        return statuses[0] if statuses else "not run"

    @property
    def can_run(self) -> bool:
        """Whether it may have results, now or later: it is neither excluded nor known not to run on this machine."""
        return self.status not in ("excluded", "skipped")

    @property
    def reason(self) -> str:
        """Why nothing is done; empty where something is."""
        if self.done:
            return ""
        reasons = [run.reason for run in self.runs if run is not None and run.reason]
        return self.row.excluded or (reasons[0] if reasons else "no record yet")

    @remembered
    def score(self, metric: Metric) -> float | None:
        """Mean of a metric over the finished runs, the higher the better; None where a record lacks what it needs."""
        scores = [metric.score(run) for run in self.done]
        known = [score for score in scores if score is not None]
        return fmean(known) if known and len(known) == len(scores) else None

    def accuracies(self, split: str = "test") -> list[float]:
        """Accuracy of each finished run on a split ('train', 'validation', 'test'), 0 to 1."""
        return [getattr(run.metrics, split).accuracy for run in self.done]

    def accuracy(self, split: str = "test") -> float | None:
        """Mean of `accuracies`; None where nothing is done."""
        return fmean(self.accuracies(split)) if self.done else None

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """95% interval of the mean test accuracy over seeds and texts; with one or two seeds over texts alone."""
        return accuracy_interval(self.done) if self.done else None

    def interval_of(self, metric: Metric) -> tuple[float, float] | None:
        """The same of any metric; None also where a record lacks what it needs."""
        if metric is ACCURACY:
            return self.interval
        return interval_of(self.done, metric) if self.done else None

    def seconds(self, of: str = "alone") -> list[float]:
        """Seconds of each finished run that has them.

        `of` is "alone" (what the run costs on its own; what rows are compared by), "here" (with what it found
        ready from earlier runs), or a phase.
        """
        costs = [run.cost for run in self.done if run.cost]
        if of == "alone":
            return [cost.standalone_s for cost in costs]
        if of == "here":
            return [cost.marginal_s for cost in costs]
        return [cost.phases[of] for cost in costs if of in cost.phases]

    @property
    def parameters(self) -> tuple[int, int] | None:
        """(trained, total) parameters; the same in every run of a recipe."""
        return next(((p.trained, p.total) for run in self.done if (p := run.parameters)), None)

    @property
    def added_mem_bytes(self) -> int | None:
        """The most memory that a finished run added to its process; None in older records."""
        peaks = [c.added_mem_bytes for run in self.done if (c := run.cost) and c.added_mem_bytes is not None]
        return max(peaks, default=None)


@dataclass(frozen=True)
class Results:
    """A study with the result of each of its rows."""

    study: Study
    rows: tuple[RowResult, ...]
    n_unused: int  # records of the same recipes that saw other rows or other seeds, and are not shown
    margin: float  # of scores; a difference shown to be smaller is called none
    table: PublishedTable | None = None  # the published table whose figures its rows have
    metric: Metric = ACCURACY  # by which rows are judged

    @cached_property
    def by_accuracy(self) -> Results:
        """The same judged by accuracy, as published claims are, whatever its own metric."""
        if self.metric is ACCURACY:
            return self
        return replace(self, metric=ACCURACY, margin=planned_margin(self.study, ACCURACY))

    @property
    def margin_is_planned(self) -> bool:
        """Whether the margin was fixed before the first run, by an option or by the design."""
        return isclose(self.margin, planned_margin(self.study, self.metric))

    @property
    def without_score(self) -> list[RowResult]:
        """Finished rows whose records do not hold what the metric needs, so that they are not judged."""
        return [result for result in self.finished if result.score(self.metric) is None]

    def row(self, name: str) -> RowResult:
        """The result of the row of that name; KeyError if there is none."""
        return next(result for result in self.rows if result.name == self.study.row(name).name)

    @property
    def baseline(self) -> RowResult | None:
        """The baseline, where it is among the rows."""
        return next((result for result in self.rows if result.name == self.study.baseline), None)

    def baseline_of(self, result: RowResult) -> RowResult | None:
        """The baseline of a row's own model, where the study has several; else the baseline."""
        name = self.study.baseline_of(result.row).name
        return next((other for other in self.rows if other.name == name), None)

    def against(self, result: RowResult) -> RowResult | None:
        """The row that this one is compared with, where it is among the rows."""
        return next((other for other in self.rows if other.name == result.row.against), None)

    @property
    def axis(self) -> list[str]:
        """The models on each of which the study has its rows, in its order; none where it runs on one."""
        return list(dict.fromkeys(result.row.recipe.model for result in self.rows if result.row.matrix_row))

    @property
    def finished(self) -> list[RowResult]:
        """Rows with at least one finished run."""
        return [result for result in self.rows if result.done]

    @property
    def unfinished(self) -> list[RowResult]:
        """Rows without a finished run."""
        return [result for result in self.rows if not result.done]

    @cached_property
    def runs(self) -> list[Record]:
        """Every record that is shown, once: rows may share a recipe."""
        return list({run.run_id: run for result in self.rows for run in result.runs if run}.values())

    @cached_property
    def done(self) -> list[Record]:
        """The finished runs, each once."""
        return [run for run in self.runs if run.status == "done"]

    @cached_property
    def majority(self) -> float:
        """Test accuracy of always answering the largest class of the test split, 0 to 1; the mean of the splits."""
        return self.constant(ACCURACY)

    def constant(self, metric: Metric) -> float:
        """The score of who knows only the classes' shares in the test split; the mean of the splits."""
        splits = {run.dataset.fingerprint: run.dataset.test_label_counts for run in self.done}
        tables = [np.array(c) for c in splits.values()] or [np.array(self.study.dataset.test_label_counts)]
        return fmean(metric.constant(counts[counts > 0] / counts.sum()) for counts in tables)

    @property
    def untrained(self) -> list[str]:
        """Models whose pretrained weights a recipe asked for, but whose run started from random values."""
        names = {
            run.recipe.model: None
            for run in self.done
            if run.recipe.weights == "pretrained" and run.weights and not run.weights.pretrained
        }
        return list(names)

    def first_with_recipe(self, result: RowResult) -> RowResult:
        """The first row of the study with this row's recipe; often the row itself."""
        return next(other for other in self.rows if other.recipe_id == result.recipe_id)


def collect(
    study: Study, records: list[Record], margin: float | None = None, metric: MetricName | None = None
) -> Results:
    """Each row of the study with the records of its recipe, on this study's rows and seeds.

    margin: of scores, a share or nats; None: the one that was planned; metric: by which rows are judged, None: the
    study's own.
    """
    judged_by = METRICS[metric or study.metric]
    found: dict[tuple[str, int], Record] = {}
    n_unused = 0
    recipe_ids = [row.recipe.id for row in study.rows]
    for record in records:
        if record.recipe_id not in recipe_ids:
            continue
        if belongs(record, study):
            found[record.recipe_id, record.seed_index] = record
        else:
            n_unused += 1
    named = {row.published.table for row in study.rows if row.published}
    table = load_table(min(named)) if named else None
    rows = []
    for row, recipe_id in zip(study.rows, recipe_ids, strict=True):
        # An excluded row cannot have run, even where its recipe is that of a row that did.
        n_slots = 0 if row.excluded else _slots(study, [index for id_, index in found if id_ == recipe_id])
        keys = [(recipe_id, index) for index in range(n_slots)]
        claimed = row.published if table and study.dataset.name == table.dataset else None
        published = claimed if table and table.has_model(row.recipe.model) and not row.excluded else None
        rows.append(RowResult(row, recipe_id, tuple(found.get(key) for key in keys), claimed, published))
    shown = planned_margin(study, judged_by) if margin is None else margin
    return Results(study, tuple(rows), n_unused, shown, table, judged_by)


def planned_margin(study: Study, metric: Metric) -> float:
    """What was asked for before the first run; else, and by another metric, the smallest that the design can show."""
    if study.margin is not None and metric.name == study.metric:
        return study.margin
    return design_of(study, metric).margin


def _slots(study: Study, done: list[int]) -> int:
    """How many seeds a row should have: those of the look that it is on its way to, where it has begun with it."""
    looks = [look.seeds for look in study.scheme or []]
    wanted = next((n for n in looks if n > max(done, default=0)), len(study.seeds))
    return min(wanted, len(study.seeds))


def belongs(record: Record, study: Study) -> bool:
    """Whether a record is of the study's data, checkpoint files and seeds."""
    same_data = record.dataset.source_fingerprint == study.dataset.source_fingerprint
    same_checkpoint = has_same_checkpoint(record, study)
    in_range = 0 <= record.seed_index < len(study.seeds)
    return same_data and same_checkpoint and in_range and record.seeds == study.seeds[record.seed_index]
