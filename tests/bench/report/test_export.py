"""Records as tables, read back by the tools that people have."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.evidence.results import Results
from bench.records.record import Predictions, Record
from bench.records.store import save_record, save_study
from bench.records.study import Study
from bench.report import export as module
from bench.report.columns import PREDICTIONS, RUNS, Table
from bench.report.export import Format, export
from gptcore.errors import UserError
from gptcore.recipe import make_recipe

FORMATS: list[Format] = ["parquet", "csv"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, study: Study, records: list[Record]) -> Path:
    folder = tmp_path_factory.mktemp("study")
    save_study(folder, study)
    for record in records[:12]:
        save_record(folder, record)
    return folder


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".csv":
        return pd.read_csv(path)
    return pd.read_parquet(path)


def exported(folder: Path, table: Table, to: Format, tmp_path: Path) -> pd.DataFrame:
    pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")
    out = tmp_path / f"table.{to}"
    n = export([folder], table, to, out)
    with pytest.raises(UserError, match="exists: remove it"):
        export([folder], table, to, out)
    found = read(out)
    assert len(found) == n
    assert list(found.columns) == list(table.columns)
    return found


@pytest.mark.parametrize("to", FORMATS)
def test_a_run_is_a_row_with_its_record_s_values(
    folder: Path, to: Format, tmp_path: Path, records: list[Record]
) -> None:
    found = exported(folder, RUNS, to, tmp_path).set_index("run_id")
    assert set(found.index) == {record.run_id for record in records[:12]}
    for record in records[:12]:
        row = found.loc[record.run_id]
        assert record.metrics
        assert record.cost
        assert row["test_accuracy"] == record.metrics.test.accuracy
        assert row["cost_marginal_s"] == record.cost.marginal_s
        assert row["recipe_lr"] == record.recipe.lr
        assert row["recipe_train"] == row["recipe_train_name"] == record.recipe.train
        assert row["seed_split"] == record.seeds.split
        assert row["in_report"]
        assert row["status"] == "done"
        assert pd.isna(row["reason"])
    assert set(found["rows"]) == {"baseline,ignore-index", "first-token", "mean-pooling", "mean-real"}


def test_methods_of_one_name_are_told_apart_by_their_fields(
    tmp_path: Path, study: Study, records: list[Record]
) -> None:
    trains: list[dict[str, Any]] = [
        *({"method": "prefix", "n": n} for n in (3, 30)),
        *({"method": "dora", "rank": rank} for rank in (4, 64)),
        *({"method": "lora", "rank": 8, "top": top} for top in (1, 2)),
    ]
    recipes = [make_recipe({"train": train}) for train in trains]
    save_study(tmp_path, study)
    for recipe in recipes:
        names = {"recipe_id": recipe.id, "run_id": f"{recipe.id}-s0"}
        save_record(tmp_path, records[0].model_copy(update={"recipe": recipe, **names}))
    found = exported(tmp_path, RUNS, "csv", tmp_path)
    written = sorted(map(json.loads, found["recipe_train"]), key=str)
    assert written == sorted((recipe.choices()["train"] for recipe in recipes), key=str)
    assert len({str(train) for train in written}) == len(trains)
    assert {name.split("-")[0] for name in found["recipe_train_name"]} == {"prefix", "dora", "lora"}


@pytest.mark.parametrize("to", FORMATS)
def test_a_prediction_is_a_row(folder: Path, to: Format, tmp_path: Path, records: list[Record]) -> None:
    found = exported(folder, PREDICTIONS, to, tmp_path)
    for record in records[:12]:
        rows = found[found["run_id"] == record.run_id]
        assert record.test
        assert record.metrics
        assert rows["label"].tolist() == record.test.labels
        assert rows["predicted"].tolist() == record.test.predicted
        assert rows["correct"].mean() == pytest.approx(record.metrics.test.accuracy)
        assert rows["p_label"].tolist() == [0.5] * 300
    first = found["probabilities"].iloc[0]
    assert list(json.loads(first) if isinstance(first, str) else first) == [0.5, 0.5]


def test_groups_are_exported_where_there_are_any(
    tmp_path: Path, study: Study, records: list[Record], folder: Path
) -> None:
    (tmp_path / "grouped").mkdir()
    save_study(tmp_path / "grouped", study)
    first = records[0]
    assert first.test
    groups = [i % 7 for i in range(len(first.test.labels))]
    update = {
        "test": first.test.model_copy(update={"groups": groups}),
        "dataset": first.dataset.model_copy(update={"n_test_groups": 7}),
    }
    save_record(tmp_path / "grouped", first.model_copy(update=update))
    for name, source in (("with", tmp_path / "grouped"), ("without", folder)):
        (tmp_path / name).mkdir()
        predictions = exported(source, PREDICTIONS, "csv", tmp_path / name)
        (tmp_path / name / "table.csv").unlink()
        runs = exported(source, RUNS, "csv", tmp_path / name)
        if name == "with":
            assert predictions["group"].tolist() == groups
            assert runs["dataset_n_test_groups"].tolist() == [7]
        else:
            assert predictions["group"].isna().all()
            assert runs["dataset_n_test_groups"].isna().all()


def test_duckdb_reads_both(folder: Path, tmp_path: Path, results: Results) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    for to in FORMATS:
        exported(folder, RUNS, to, tmp_path)
        query = (
            f"select avg(test_accuracy), count(*) from '{tmp_path / f'table.{to}'}' where rows = 'mean-real'"
        )
        assert duckdb.sql(query).fetchall() == [(pytest.approx(results.row("mean-real").accuracy()), 3)]


def test_types_do_not_depend_on_what_is_missing(tmp_path: Path, study: Study, studies: object) -> None:
    """A column without a single value has the type that it has with values."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra [parquet] is not installed")
    save_study(tmp_path, study)
    failed = studies.make_unfinished(study.rows[0], 0, "failed", 'RuntimeError: a, "b"')  # type: ignore[attr-defined]
    save_record(tmp_path, failed)
    export([tmp_path], RUNS, "parquet", tmp_path / "t.parquet")
    schema = parquet.read_schema(tmp_path / "t.parquet")
    assert str(schema.field("test_accuracy").type) == "double"
    assert str(schema.field("cost_flops").type) == "double"
    assert str(schema.field("parameters").type) == "int64"
    export([tmp_path], RUNS, "csv", tmp_path / "t.csv")
    (row,) = csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text()))
    assert (row["reason"], row["test_accuracy"]) == ('RuntimeError: a, "b"', "")


def test_many_rows_are_written_in_parts(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_ROWS", 1000)
    assert len(exported(folder, PREDICTIONS, "parquet", tmp_path)) == 12 * 300


def test_runs_that_the_report_leaves_out_are_marked(
    tmp_path: Path, study: Study, records: list[Record]
) -> None:
    save_study(tmp_path, study)
    other = records[0].dataset.model_copy(update={"source_fingerprint": "0" * 64})
    save_record(tmp_path, records[0].model_copy(update={"dataset": other}))
    save_record(tmp_path, records[3])
    found = exported(tmp_path, RUNS, "csv", tmp_path).set_index("run_id")
    assert not found.loc[records[0].run_id, "in_report"]
    assert found.loc[records[3].run_id, "in_report"]


def test_of_many_classes_the_kept_ones_are_named(tmp_path: Path, study: Study, records: list[Record]) -> None:
    kept = Predictions(
        labels=[0, 1], predicted=[1, 1], classes=[[1], [1]], probabilities=[[0.7], [0.9]], roc_auc=0.5
    )
    save_study(tmp_path, study)
    save_record(tmp_path, records[0].model_copy(update={"test": kept}))
    found = exported(tmp_path, PREDICTIONS, "csv", tmp_path)
    assert pd.isna(found["p_label"][0])
    assert found["p_predicted"].tolist() == [0.7, 0.9]
    assert found["classes"].tolist() == ["[1]", "[1]"]


def test_what_cannot_be_exported_is_said_and_nothing_is_written(
    folder: Path, tmp_path: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "t.csv"
    with pytest.raises(UserError, match="does not hold a study"):
        export([folder, tmp_path / "none"], RUNS, "csv", out)
    save_study(tmp_path / "empty", study)
    with pytest.raises(UserError, match="nothing to export"):
        export([tmp_path / "empty"], RUNS, "csv", out)
    with pytest.raises(UserError, match=r"--out .* exists: remove it or name another"):
        export([folder], RUNS, "csv", tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UserError, match=r"\[parquet\]"):
        export([folder], RUNS, "parquet", out)
    assert not out.exists()
