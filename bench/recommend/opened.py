"""From options to data, rows and folder: everything that can be refused is refused here. Imports no torch."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.evidence.design import design_of
from bench.evidence.metric import ACCURACY, METRICS, Metric
from bench.evidence.scheme import with_looks
from bench.recommend.offered import about_weights, offered
from bench.recommend.options import RecommendOptions
from bench.recommend.plan import LOOKS
from bench.recommend.state import continued
from bench.records.facts import dataset_facts, group_warning, waiting_warning
from bench.records.recommendation import SEARCH, TEST, State, load_state
from bench.records.store import RESULTS
from bench.records.study import Row, Study, TunedRow
from bench.run.environment import free_memory_bytes, has_cuda
from bench.run.jobs import choose_device
from bench.run.looks import parse_budget
from bench.run.same_study import checkpoints_of
from bench.run.seeds import TOGETHER, make_seeds
from bench.run.study_name import check_folder
from bench.run.worker import SessionSpec
from bench.study.matrix import Tune, load_matrix
from bench.study.plan import choose_models, make_plan
from bench.study.resolve import resolve
from gptcore.backbones.checkpoints import checkpoint_reachable
from gptcore.backbones.convert.terms import accept_terms
from gptcore.data.datasets import Dataset, load_dataset
from gptcore.data.holdout import check_apart, development
from gptcore.data.subset import with_train_size
from gptcore.errors import UserError
from gptcore.product.recommended import DataOf
from gptcore.recipe import Recipe

MATRIX = "recommend"
FEWEST_ROWS, FEWEST_A_CLASS = 50, 5


@dataclass(frozen=True)
class Opened:
    """A recommendation that can begin.

    data: with its test part; dev: the rows outside it, from which everything is chosen; rows: those that can run here;
    cannot: other rows, and why; tune: the values that may be tried; free_bytes: memory for one run.
    """

    folder: Path
    data: Dataset
    dev: Dataset
    of: DataOf
    rows: tuple[Row, ...]
    cannot: Mapping[str, str]
    tune: Tune
    state: State
    budget_s: float
    device: str
    free_bytes: int
    messages: tuple[str, ...]

    @property
    def search(self) -> Path:
        """Where runs on development rows lie: a study that `report` opens."""
        return self.folder / SEARCH

    @property
    def test(self) -> Path:
        """Where the runs that saw the test part lie."""
        return self.folder / TEST

    @property
    def metric(self) -> Metric:
        """By which rows are compared."""
        return METRICS[self.state.metric]

    @property
    def checkpoints(self) -> dict[str, str]:
        """Model -> SHA-256 over its checkpoint's files."""
        return checkpoints_of(self.rows)

    def row(self, name: str) -> Row:
        """The row of that name, as the matrix has it."""
        return next(row for row in self.rows if row.name == name)

    def values(self, n: int) -> Tune | None:
        """The values to try, n of each field's, evenly spread; None where there is nothing to choose."""
        if n < 2:
            return None
        return Tune.model_validate({name: spread(v, n) for name, v in self.tune.fields.items()})

    @property
    def numbers_of_values(self) -> list[int]:
        """How many may be tried, the most first: all, about half of them, one."""
        n = max(len(values) for values in self.tune.fields.values())
        return sorted({n, (n + 1) // 2, 1}, reverse=True)

    def key(self, recipe: Recipe) -> str:
        """Equal for recipes of one row, whatever was chosen, however long and on however many texts it trains."""
        return _key(recipe, self.tune.fields)

    def study(self, names: Sequence[str], tuned: Sequence[TunedRow] = ()) -> Study:
        """The study of these rows on the development rows, with the values that were chosen."""
        chosen = {one.row: one.values for one in tuned}
        first = names[0]
        rows = []
        for name in names:
            row = self.row(name)
            values = chosen.get(name, {})
            recipe = Recipe.model_validate(row.recipe.model_dump() | values) if values else row.recipe
            rows.append(
                row.model_copy(update={"recipe": recipe, "against": None if name == first else first})
            )
        seeds = make_seeds(LOOKS[-1], TOGETHER)
        return Study(
            name=f"{self.folder.name}-{SEARCH}",
            matrix=MATRIX,
            about="the runs from which a recipe was chosen; their test part is cut from the rows outside the file's",
            models=self.state.models,
            baseline=first,
            questions=load_matrix(MATRIX).questions,
            rows=[row.model_copy(update={"changes": _changes(row.recipe, rows[0].recipe)}) for row in rows],
            seeds=seeds,
            scheme=with_looks([], LOOKS),
            metric=self.state.metric,
            margin=self.state.margin,
            dataset=dataset_facts(self.dev),
            checkpoints=self.checkpoints,
            warnings=[*group_warning(self.dev), *waiting_warning(self.data)],
            tuned=list(tuned),
            command=shlex.join(["python", "-m", "bench", *sys.argv[1:]]),
        )

    def spec(self) -> SessionSpec:
        """Of the process that sees no test text."""
        check_apart(self.dev, self.data.test)
        return SessionSpec(
            *(self.dev, "fast", "auto", self.device),
            checkpoints=self.checkpoints,
            measures_serving=False,
            free_bytes=self.free_bytes,
        )

    def spec_of_test(self) -> SessionSpec:
        """Of the process that sees the test part."""
        return replace(self.spec(), data=self.data.with_fixed_test(), measures_serving=True)


def open_recommend(file: str, options: RecommendOptions, margin: float | None) -> Opened:
    """Load and check the data, resolve the rows, and look at what the folder holds. Raises UserError.

    margin: in points or nats, as the option has it; None: the smallest usual one that the data can show.
    """
    budget_s = parse_budget(options.budget)
    accepted = accept_terms(options.accept_licence)
    models, why = choose_models(options.models, has_cuda, checkpoint_reachable)
    device = choose_device(options.device, has_cuda)
    reading = options.reading()
    data = load_dataset(file, reading)
    dev = checked_development(data)
    fingerprint = data.source_fingerprint
    if options.limit is not None:
        fingerprint = load_dataset(file, replace(reading, limit=None)).source_fingerprint
    matrix = load_matrix(MATRIX)
    assert matrix.tune is not None
    folder = options.out or RESULTS / f"recommend-{_folder_name(file, options.limit)}"
    check_folder(folder)
    there = load_state(folder)
    metric = METRICS[options.metric or (there.metric if there else ACCURACY.name)]
    asked = metric.margin(margin)
    counts = dataset_facts(dev).label_counts
    assert counts is not None
    opened = Opened(
        folder=folder,
        data=data,
        dev=dev,
        of=DataOf(name=data.name, fingerprint=fingerprint, limit=options.limit, metric=metric.name),
        rows=offered(resolve(matrix, models).rows, counts, metric),
        cannot={},
        tune=matrix.tune,
        state=State(
            data=data.name,
            fingerprint=data.source_fingerprint,
            models=models,
            margin=asked or metric.margins[-1],
            metric=metric.name,
        ),
        budget_s=budget_s,
        device=device,
        free_bytes=free_memory_bytes(device),
        messages=(*accepted, why, *about_weights(counts, metric)),
    )
    opened = _without_impossible(opened)
    if margin is None:
        shown = design_of(opened.study([row.name for row in opened.rows]), metric).margin
        opened = replace(opened, state=opened.state.model_copy(update={"margin": shown}))
    return replace(opened, state=continued(folder, there, opened.state, asked))


def checked_development(data: Dataset) -> Dataset:
    """The rows outside the test part, of which there are enough to compare recipes on. Raises UserError."""
    labels = [*data.train.labels.tolist(), *data.validation.labels.tolist()]
    counts = Counter(labels)
    if len(labels) < FEWEST_ROWS:
        raise UserError(
            f"{data.name}: {len(labels)} rows outside the test part: recommend compares recipes from {FEWEST_ROWS} on: "
            "add rows"
        )
    for label, name in enumerate(data.label_names):
        if counts[label] < FEWEST_A_CLASS:
            raise UserError(
                f"{data.name}: label {name!r} has {counts[label]} rows outside the test part: recommend needs "
                f"{FEWEST_A_CLASS}: add rows, or remove or merge the class"
            )
    dev = development(data)
    with_train_size(dev, len(data.label_names))  # every class can be learned from
    return dev


def spread(values: Sequence[Any], n: int) -> list[Any]:
    """n of the values, evenly from the first to the last; all where there are no more."""
    if n >= len(values):
        return list(values)
    return [values[round(i * (len(values) - 1) / (n - 1))] for i in range(n)]


def _without_impossible(opened: Opened) -> Opened:
    """Without the rows that cannot run here."""
    plan = make_plan(opened.study([row.name for row in opened.rows]), {}, reachable=checkpoint_reachable)
    cannot = {
        name: run.reason or "it cannot run here"
        for run in plan
        if run.state == "blocked"
        for name in run.rows
    }
    return replace(opened, rows=tuple(row for row in opened.rows if row.name not in cannot), cannot=cannot)


def _key(recipe: Recipe, fields: Mapping[str, Any]) -> str:
    defaults = {name: Recipe.model_fields[name].get_default() for name in (*fields, "epochs", "train_size")}
    return recipe.model_copy(update=defaults).id


def _changes(recipe: Recipe, other: Recipe) -> dict[str, Any]:
    return {
        name: value
        for name, value in recipe.model_dump(mode="json", include=set(recipe.relevant)).items()
        if getattr(recipe, name) != getattr(other, name)
    }


def _folder_name(file: str, limit: int | None) -> str:
    name = Path(file).stem.replace(":", "-")
    return name if limit is None else f"{name}-limit{limit}"
