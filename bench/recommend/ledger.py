"""What the folder of a recommendation holds by now, and what follows: costs, chosen values, results, runs to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.evidence.metric import ACCURACY
from bench.evidence.results import Results, collect
from bench.recommend.answer import Choice, choose
from bench.recommend.costs import RowCosts, Took
from bench.recommend.curve import curve_sizes, of_size
from bench.recommend.opened import Opened
from bench.recommend.plan import CURVE_PARTS, CURVE_SEEDS, TEST_SEEDS
from bench.records.record import Record
from bench.records.store import load_records
from bench.records.study import Study, TunedRow
from bench.run.same_study import LACK_GROUPS, lacks_groups
from bench.run.seeds import FIRST_SEED, TOGETHER, make_seeds
from bench.run.tune import FOLDER, trial_seeds
from bench.study.plan import PlannedRun
from bench.study.tuning import Tuning, tuning
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.recipe import Recipe


class Ledger:
    """The records of a recommendation, by run id: trials and runs on development rows, and tests on the test part.

    names: rows of the plan, the cheapest first; failed: rows of which every trial failed, and why. Raises UserError
    where the folder holds runs on other data, or runs that do not say which groups they tested.
    """

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.names: tuple[str, ...] = ()
        self.failed: dict[str, str] = {}
        other = f"{opened.folder}-by-group"
        self.runs = _load(opened.search, opened.dev, other)
        self.trials = _load(opened.search / FOLDER, opened.dev, other)
        self.tests = load_records(opened.test)
        self._known: tuple[object, dict[str, Tuning | None]] | None = None
        self._chosen: tuple[object, Choice | None] | None = None
        self._row_of: dict[str, str | None] = {}  # recipe id -> name, of what has run

    # Values

    def tunes(self, name: str) -> bool:
        """Whether there are values to choose for the row."""
        return bool(set(self.opened.tune.fields) & set(self.opened.row(name).recipe.relevant))

    def tuning(self, name: str) -> Tuning | None:
        """Trials of a row that are to do, or what they have chosen; None where every trial failed."""
        tune = self.opened.values(self.opened.state.n_values)
        if tune is None:
            return Tuning((), ())
        metric = self.opened.metric
        score = None if metric is ACCURACY else metric.score  # on what the trial's own seed holds out
        try:
            return tuning((self.opened.row(name),), tune, trial_seeds(tune, FIRST_SEED), self.trials, score)
        except UserError as error:
            self.failed[name] = str(error)
            return None

    @property
    def ready(self) -> tuple[str, ...]:
        """Rows of the plan whose values are chosen."""
        return tuple(name for name, found in self._tunings().items() if found is not None and not found.todo)

    @property
    def tuned(self) -> list[TunedRow]:
        """The values that were chosen."""
        return [row for found in self._tunings().values() if found for row in found.rows]

    def _tunings(self) -> dict[str, Tuning | None]:
        """Of the rows of the plan."""
        state = (self.names, self.opened.state.n_values, len(self.trials))
        if self._known is None or self._known[0] != state:
            self._known = (state, {name: self.tuning(name) for name in self.names})
        return self._known[1]

    # Results

    @property
    def study(self) -> Study:
        """Of the rows that are ready, of which there are some."""
        return self.opened.study(self.ready, self.tuned)

    @property
    def results(self) -> Results | None:
        """Of the runs on development rows; None before any row is ready."""
        if not self.ready:
            return None
        return collect(self.study, list(self.runs.values()))

    @property
    def choice(self) -> Choice | None:
        """The best answer so far; None before the first run has finished."""
        state = (self.ready, len(self.runs))
        if self._chosen is None or self._chosen[0] != state:
            results = self.results
            self._chosen = (state, None if results is None else choose(results))
        return self._chosen[1]

    # Runs that are to do

    def missing(self, names: Sequence[str], n: int) -> list[PlannedRun]:
        """Of rows that are ready, up to so many seeds, seed by seed."""
        if not names:
            return []
        study = self.study
        runs = [
            PlannedRun((name,), study.row(name).recipe, i, study.seeds[i], "todo")
            for i in range(n)
            for name in names
        ]
        return [run for run in runs if run.run_id not in self.runs]

    def missing_of_curve(self, choice: Choice) -> list[PlannedRun]:
        """Of the learning curve."""
        recipe = choice.row.row.recipe
        runs = [
            PlannedRun((choice.row.name,), of_size(recipe, n), i, seeds, "todo")
            for i, seeds in enumerate(make_seeds(CURVE_SEEDS, TOGETHER))
            for n in self.sizes
        ]
        return [run for run in runs if run.run_id not in self.runs]

    def missing_tests(self, choice: Choice) -> list[PlannedRun]:
        """Of the chosen recipe on the test part."""
        runs = [
            PlannedRun((choice.row.name,), choice.row.row.recipe, i, seeds, "todo")
            for i, seeds in enumerate(make_seeds(TEST_SEEDS, TOGETHER))
        ]
        return [run for run in runs if run.run_id not in self.tests]

    # Costs

    @property
    def costs(self) -> RowCosts:
        """Of the rows that were forecast."""
        return RowCosts(self.opened.state.forecast, self._took())

    @property
    def recorded_s(self) -> float:
        """Seconds of all runs on development rows."""
        return sum(took.seconds for took in self._took())

    def seconds(self, runs: Sequence[PlannedRun], costs: RowCosts) -> float:
        """Of runs that are to do."""
        return sum(costs.seconds(run.rows[0], *self._shares(run.recipe, run.rows[0])) for run in runs)

    @property
    def sizes(self) -> list[int]:
        """Training texts of the learning curve, without all."""
        dev = self.opened.dev
        return curve_sizes(len(dev.train), len(dev.label_names), CURVE_PARTS)

    @property
    def begun(self) -> set[str]:
        """Rows that have a record."""
        return {took.row for took in self._took()}

    def _took(self) -> Iterator[Took]:
        names = {self.opened.key(row.recipe): row.name for row in self.opened.rows}
        for record in (*self.runs.values(), *self.trials.values()):
            if record.recipe_id not in self._row_of:
                self._row_of[record.recipe_id] = names.get(self.opened.key(record.recipe))
            name = self._row_of[record.recipe_id]
            if name is not None and record.cost is not None:
                yield Took(name, record.cost.busy_s, *self._shares(record.recipe, name))

    def _shares(self, recipe: Recipe, name: str) -> tuple[float, float]:
        """Shares of the row's epochs, and of all training texts."""
        n = len(self.opened.dev.train)
        return recipe.epochs / self.opened.row(name).recipe.epochs, (recipe.train_size or n) / n


def _load(folder: Path, data: Dataset, other_folder: str) -> dict[str, Record]:
    records = load_records(folder)
    if other := _other_data(records, data.source_fingerprint):
        raise UserError(f"{folder} holds runs on other data ({other}): choose another folder with --out")
    if any(lacks_groups(record, by_group=data.test_groups is not None) for record in records.values()):
        raise UserError(f"{folder} holds {LACK_GROUPS}: choose another folder, such as --out {other_folder}")
    return records


def _other_data(records: Mapping[str, Record], fingerprint: str) -> str | None:
    return next(
        (r.dataset.name for r in records.values() if r.dataset.source_fingerprint != fingerprint), None
    )
