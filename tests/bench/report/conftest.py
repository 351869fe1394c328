"""Studies and reports, made once: drawing is what takes time."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from bench.report.markdown import render, write_report
from bench.report.plots import question_plot
from bench.report.results import Results, collect
from bench.run.record import Record
from bench.study.manifest import Study


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


@pytest.fixture(scope="session")
def text(results: Results) -> str:
    """report.md of the whole study, as if every question had a plot."""
    return render(
        results, {question_plot(results, question): question for question in results.study.questions}
    )


@pytest.fixture(scope="session")
def report(study: Study, records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a few rows, with every kind of plot, on disk."""
    names = ("baseline", "first-token", "medium", "xl", "full-context", "ignore-index", "tf-idf")
    rows = [row for row in study.rows if row.name in names]
    few = study.model_copy(update={"rows": rows})
    return write_report(tmp_path_factory.mktemp("few"), few, records)
