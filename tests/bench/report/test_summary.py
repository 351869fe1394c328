from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from bench.evidence.results import Results, collect
from bench.records.record import Record
from bench.records.study import Study
from bench.report.summary import write_summary


@pytest.fixture(scope="module")
def summary(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("summary") / "summary.csv"
    write_summary(path, results)
    return path


def test_one_line_a_row_and_seed_with_the_records_figures(summary: Path, results: Results) -> None:
    table = pd.read_csv(summary)
    assert len(table) == len(results.study.rows) * 3
    for _, line in table.iterrows():
        run = results.row(line["row"]).runs[line["seed_index"]]
        assert line["status"] == (run.status if run else "not run")
        if run and run.metrics and run.cost:
            assert line["test_accuracy"] == run.metrics.test.accuracy
            assert line["validation_correct"] == run.metrics.validation.correct
            assert line["train_s"] == run.cost.phases["train"]
            assert line["standalone_s"] == run.cost.standalone_s
            assert line["marginal_s"] == pytest.approx(run.cost.marginal_s)
            assert line["process_mem_bytes"] == run.cost.process_mem_bytes
        else:
            assert pd.isna(line["test_accuracy"])


def test_reasons_and_published_figures(summary: Path) -> None:
    table = pd.read_csv(summary).set_index(["row", "seed_index"])
    assert table.loc[("xl", 0), "reason"].startswith("needs 12.4 GiB")
    assert table.loc[("full-context", 1), "status"] == "failed"
    assert table.loc[("high-lr", 2), "status"] == "not run"
    assert table.loc[("medium", 0), "published_test_percent"] == 84.67


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\n@"])
def test_no_cell_is_a_formula(study: Study, tmp_path: Path, start: str, studies: ModuleType) -> None:
    evil = f"{start}cmd|' /C calc'!A0"
    row = study.row("baseline").model_copy(update={"name": evil, "question": evil})
    record: Record = studies.make_unfinished(row, 0, "failed", evil)
    hostile = study.model_copy(update={"rows": [row], "baseline": evil})
    write_summary(tmp_path / "summary.csv", collect(hostile, [record]))
    table = pd.read_csv(tmp_path / "summary.csv", dtype=str, keep_default_na=False)
    assert table.loc[0, "row"].startswith("'")
    assert table.loc[0, "reason"].startswith("'")
    assert not any(str(cell).startswith(("=", "+", "-", "@")) for cell in table.to_numpy().ravel())
