"""A recommendation without training: a runner whose rows have known accuracies and times, and a clock of its own."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest

from bench.recommend.opened import Opened, open_recommend
from bench.recommend.options import RecommendOptions
from bench.recommend.search import Search
from bench.recommend.state import Clock
from bench.records.facts import dataset_facts
from bench.records.record import Environment, Metrics, Predictions, Record, SplitMetrics
from bench.run.executors.base import Began, Ended, Event, Job, JobEnded
from bench.run.worker import SessionSpec
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset
from gptcore.recipe import Recipe
from tests.bench.toys import ENVIRONMENT, make_cost, make_record, make_split

# Row -> (accuracy, seconds of a whole run)
TRUTH = {
    "tfidf": (0.80, 1.0),
    "tfidf-auto": (0.81, 3.0),
    "features": (0.78, 2.0),
    "last-block": (0.85, 10.0),
    "last-two-blocks": (0.86, 15.0),
    "lora": (0.86, 30.0),
    "all-layers": (0.87, 25.0),
    "tfidf-balanced": (0.80, 1.1),
    "last-block-balanced": (0.85, 10.0),
    "all-layers-balanced": (0.87, 25.0),
}
BEST_LR = 1e-3


@dataclass
class World:
    """Its time goes on with each run. probe_s: of timing a row; stop_at: number of the run during which Ctrl-C is
    pressed; needs: row -> bytes of memory, where they are many; spam: row -> its accuracy on spam, where that is
    another one."""

    truth: Mapping[str, tuple[float, float]] = field(default_factory=lambda: dict(TRUTH))
    slower: float = 1.0  # than forecast
    probe_s: float = 0.5
    stop_at: int | None = None
    needs: Mapping[str, int] = field(default_factory=dict)
    spam: Mapping[str, float] = field(default_factory=dict)
    now: float = 100.0
    runs: list[tuple[str, str, Recipe]] = field(default_factory=list)
    opened: Opened | None = None

    @property
    def development(self) -> Hand:
        assert self.opened is not None
        return Hand(self, self.opened.spec(), "develop")

    @property
    def seeing(self) -> Hand:
        assert self.opened is not None
        return Hand(self, self.opened.spec_of_test(), "test")

    def record(self, run: PlannedRun, whole: Dataset, phase: str) -> Record:
        if self.stop_at is not None and len(self.runs) == self.stop_at:
            self.stop_at = None
            raise KeyboardInterrupt
        self.runs.append((run.rows[0], phase, run.recipe))
        data = whole.with_split(run.seeds.split)
        accuracy, seconds = self.truth[run.rows[0]]
        size = (run.recipe.train_size or len(data.train)) / len(data.train)
        if run.recipe.trainer == "network":
            full = self.opened.row(run.rows[0]).recipe.epochs if self.opened else 1
            seconds *= run.recipe.epochs / full
            accuracy -= 0.0 if run.recipe.lr == BEST_LR else 0.2
        error = min(0.5, (1 - accuracy) * size**-0.4)
        seconds *= self.slower * (0.3 + 0.7 * size)
        self.now += seconds + 0.05
        errors = (error, 1 - self.spam[run.rows[0]] if run.rows[0] in self.spam else error)
        validation, test = (
            _answers(part.labels.tolist(), errors, f"{run.run_id} {name} {phase}")
            for name, part in (("v", data.validation), ("t", data.test))
        )
        rows = data.test.rows
        return make_record(
            run.recipe,
            run.seed_index,
            seeds=run.seeds,
            dataset=dataset_facts(data),
            metrics=Metrics(
                train=_metrics(data.train.labels.tolist(), data.train.labels.tolist()),
                validation=_metrics(data.validation.labels.tolist(), validation),
                test=_metrics(data.test.labels.tolist(), test),
            ),
            test=Predictions(
                labels=data.test.labels.tolist(),
                predicted=test,
                probabilities=[[0.5, 0.5]] * len(test),
                losses=[0.1 if a == b else 2.0 for a, b in zip(data.test.labels, test, strict=True)],
                examples=None if rows is None else rows.tolist(),
                groups=data.test_groups,
            ),
            cost=make_cost(seconds),
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def _answers(labels: list[int], errors: tuple[float, float], seed: str) -> list[int]:
    rng = random.Random(zlib.crc32(seed.encode()))
    return [1 - label if rng.random() < errors[label] else label for label in labels]


def _metrics(labels: list[int], predicted: list[int]) -> SplitMetrics:
    return make_split(len(labels), sum(a == b for a, b in zip(labels, predicted, strict=True)))


@dataclass
class Hand:
    """An executor that does one job at a time, at once."""

    world: World
    spec: SessionSpec
    phase: str
    shares_folder: bool = False
    environment: Environment = ENVIRONMENT
    heard: list[tuple[int, Event]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def forecast(self, plan: Sequence[PlannedRun], on_probe: Any) -> dict[str, Prediction]:
        on_probe(0, len(plan))
        self.world.now += self.world.probe_s * len(plan)
        truth, needs = self.world.truth, self.world.needs
        return {
            run.run_id: Prediction(truth[name][1], needs.get(name, 10**8))
            for run in plan
            for name in run.rows
        }

    def group(self, runs: Sequence[PlannedRun], _predictions: Any) -> list[tuple[PlannedRun, ...]]:
        return [(run,) for run in runs]

    def room(self) -> int:
        return 1 - len(self.heard)

    def submit(self, jobs: Sequence[Job], _seen: Mapping[str, Record]) -> None:
        for job in jobs:
            for run in job.runs:
                record = self.world.record(run, self.spec.data, self.phase)
                self.heard += [(job.number, Began(run.run_id)), (job.number, Ended(record))]
            self.heard.append((job.number, JobEnded()))

    def events(self, _timeout_s: float) -> list[tuple[int, Event]]:
        heard, self.heard = self.heard, []
        return heard


class Silent:
    """A listener that hears nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


@contextmanager
def silent(_title: str, _runs: Sequence[PlannedRun]) -> Iterator[Any]:
    yield Silent()


@contextmanager
def unseen() -> Iterator[Any]:
    yield lambda _done, _n: None


@pytest.fixture
def toy_csv(tmp_path: Path) -> Path:
    path = tmp_path / "toy.csv"
    lines = [f"{'buy now' if i % 2 else 'see you'} text {i},{'spam' if i % 2 else 'ham'}" for i in range(400)]
    path.write_text("\n".join(["text,label", *lines, ""]))
    return path


@pytest.fixture
def few_spam(toy_csv: Path) -> Path:
    """The toy file, in which one text of eight is spam."""
    spam = [i % 8 == 0 for i in range(800)]
    lines = [f"{'buy now' if s else 'see you'} text {i},{'spam' if s else 'ham'}" for i, s in enumerate(spam)]
    toy_csv.write_text("\n".join(["text,label", *lines, ""]))
    return toy_csv


@pytest.fixture
def recommend(tmp_path: Path, toy_csv: Path) -> Callable[..., tuple[Search, World]]:
    """Open and search the toy file, again on the same folder with every call. Ctrl-C is left to the caller."""

    def call(
        world: World | None = None,
        budget: str = "30m",
        margin: float | None = 5.0,
        out: str = "out",
        **options: Any,
    ) -> tuple[Search, World]:
        world = world or World()
        asked = RecommendOptions(models="nano", budget=budget, out=tmp_path / out, **options)
        opened = open_recommend(str(toy_csv), asked, margin)
        world.opened = opened
        clock = Clock(opened.budget_s, opened.state.spent_s, lambda: world.now)
        search = Search(opened, world, clock, silent, unseen)
        try:
            search.run()
        except KeyboardInterrupt:
            search.ended = "interrupted"
        return search, world

    return call


@pytest.fixture
def world() -> type[World]:
    return World
