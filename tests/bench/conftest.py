"""Makers of records and studies, shared by the tests of what reads and writes them."""

import importlib.util
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import pytest

from bench.evidence.results import Results, collect
from bench.records.record import DatasetFacts, Environment, Record, run_id
from bench.records.study import Row, Study
from bench.run.supervisor import StoppedError
from bench.run.worker import SessionSpec
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.recipe import Recipe, Seeds
from gptcore.result import OnEpoch

DATASET = DatasetFacts(
    name="toy",
    fingerprint="f" * 64,
    source_fingerprint="e" * 64,
    n_train=7,
    n_validation=1,
    n_test=2,
    label_names=("ham", "spam"),
    test_label_counts=(1, 1),
    duplicates=0,
)
ENVIRONMENT = Environment(
    device="cpu",
    cpu="a CPU",
    threads=2,
    memory_bytes=2**33,
    dtype="float32",
    python="3.11.0",
    platform="Linux",
    versions={"torch": "2.6.0"},
    git_sha=None,
    git_dirty=None,
)


def make_toy_record(recipe: Recipe | None = None, seed_index: int = 0, **changes: Any) -> Record:
    """A record of a done run without its figures, or with `changes`."""
    recipe = recipe or Recipe()
    values: dict[str, Any] = {
        "run_id": run_id(recipe, seed_index),
        "recipe_id": recipe.id,
        "recipe": recipe,
        "seed_index": seed_index,
        "seeds": Seeds(),
        "status": "done",
        "engine": "fast",
        "dataset": DATASET,
        "environment": ENVIRONMENT,
        "created_at": "2025-01-01T00:00:00Z",
    }
    return Record(**{**values, **changes})


def make_toy_study(rows: list[Row] | None = None, **changes: Any) -> Study:
    """A study of a baseline on gpt2 with one seed, or with other rows or `changes`."""
    rows = rows or [Row(name="baseline", recipe=Recipe())]
    values: dict[str, Any] = {
        "name": "toy",
        "matrix": "toy",
        "about": "",
        "models": "gpt2",
        "baseline": rows[0].name,
        "questions": {},
        "rows": rows,
        "seeds": [Seeds()],
        "dataset": DATASET,
        "command": "python -m bench run --matrix toy",
    }
    return Study(**{**values, **changes})


@pytest.fixture(scope="session")
def toy_record() -> Callable[..., Record]:
    return make_toy_record


@pytest.fixture(scope="session")
def toy_study() -> Callable[..., Study]:
    return make_toy_study


@pytest.fixture(scope="session")
def rows() -> ModuleType:
    """evidence/rows.py: rows with made-up right answers. Pytest puts no folder of tests on the path."""
    path = Path(__file__).with_name("evidence") / "rows.py"
    spec = importlib.util.spec_from_file_location("rows", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def in_process() -> type:
    """A double of the supervisor that does runs in this process, where models may be toys."""
    from bench.run import probing, runner

    class InProcess:
        """Stands in for the supervisor, whose worker takes seconds to start; test_long_runs.py has the real one."""

        was_killed = False

        def __init__(self, spec: SessionSpec, _timeout_s: float | None = None) -> None:
            self.session = runner.open_session(spec.data, spec.engine, spec.precision, spec.device)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def close(self) -> None:
            pass

        def interrupt(self) -> None:
            pass

        def run(self, planned: PlannedRun, on_epoch: OnEpoch) -> Record:
            try:
                return runner.run_one(planned, self.session, on_epoch)
            except (
                KeyboardInterrupt
            ):  # a test's: as if the user had sent it to the thread that waits for this one
                ident = threading.main_thread().ident
                assert ident is not None
                signal.pthread_kill(ident, signal.SIGINT)
                raise StoppedError from None

        @property
        def environment(self) -> Environment:
            return runner.environment_of(self.session)

        def forecast(
            self, plan: Sequence[PlannedRun], on_probe: Callable[[int, int], None]
        ) -> dict[str, Prediction]:
            return probing.forecast_here(plan, self.session, lambda _kind, done, n: on_probe(done, n))

    return InProcess


@pytest.fixture(scope="session")
def studies() -> ModuleType:
    """studies.py, beside this file; pytest puts no folder of tests on the path."""
    spec = importlib.util.spec_from_file_location("studies", Path(__file__).with_name("studies.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def study(studies: ModuleType) -> Study:
    return studies.make_study()


@pytest.fixture(scope="session")
def records(studies: ModuleType, study: Study) -> list[Record]:
    return studies.make_records(study)


@pytest.fixture(scope="session")
def results(study: Study, records: list[Record]) -> Results:
    return collect(study, records)
