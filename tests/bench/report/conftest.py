"""Studies and reports, made once: drawing is what takes time."""

from pathlib import Path

import pytest

from bench.evidence.results import Results
from bench.records.record import Record
from bench.records.study import Study
from bench.report.markdown import render, write_report


@pytest.fixture(scope="session")
def text(results: Results) -> str:
    """report.md of the whole study."""
    return render(results)


@pytest.fixture(scope="session")
def report(study: Study, records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a few rows, with every kind of plot, on disk."""
    names = ("baseline", "first-token", "medium", "xl", "full-context", "ignore-index", "tf-idf")
    rows = [row for row in study.rows if row.name in names]
    few = study.model_copy(update={"rows": rows})
    return write_report(tmp_path_factory.mktemp("few"), few, records)
