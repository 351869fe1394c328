"""Makers of records and studies, shared by the tests of what reads and writes them."""

import signal
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Self

import pytest

from bench.evidence.results import Results, collect
from bench.records.record import Environment, Record
from bench.records.study import Study
from bench.run.supervisor import StoppedError
from bench.run.worker import SessionSpec
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.result import OnEpoch
from tests.bench import studies as made_studies
from tests.bench import toys
from tests.bench.calling import bench, no_plots
from tests.bench.evidence import rows as made_rows

__all__ = ["bench", "no_plots"]  # fixtures


@pytest.fixture(scope="session")
def toy_record() -> Callable[..., Record]:
    return toys.make_record


@pytest.fixture(scope="session")
def toy_study() -> Callable[..., Study]:
    return toys.make_study


@pytest.fixture(scope="session")
def rows() -> ModuleType:
    """Rows with made-up right answers."""
    return made_rows


@pytest.fixture(scope="session")
def in_process() -> type:
    """A double of the supervisor that does runs in this process, where models may be toys."""
    from bench.run import probing, runner

    class InProcess:
        """Stands in for the supervisor, whose worker takes seconds to start; test_long_runs.py has the real one."""

        lacked_memory = False

        def __init__(self, spec: SessionSpec, _timeout_s: float | None = None) -> None:
            self.session = runner.open_session(
                *(spec.data, spec.engine, spec.precision, spec.device), measures_serving=spec.measures_serving
            )

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
    """Made-up studies."""
    return made_studies


@pytest.fixture(scope="session")
def study(studies: ModuleType) -> Study:
    return studies.make_study()


@pytest.fixture(scope="session")
def records(studies: ModuleType, study: Study) -> list[Record]:
    return studies.make_records(study)


@pytest.fixture(scope="session")
def results(study: Study, records: list[Record]) -> Results:
    return collect(study, records)
