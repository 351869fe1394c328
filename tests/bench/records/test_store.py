"""Records and manifests on disk: whole or not at all, readable in every version, small to diff."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records import store
from bench.records.record import SCHEMA_VERSION, Curves, LossPoint, Predictions, Record
from bench.records.study import Study
from gptcore.errors import UserError
from gptcore.recipe import Recipe
from gptcore.result import Epoch

MakeRecord = Callable[..., Record]
EARLIER = Path(__file__).with_name("schema")  # one record of each earlier version, as it was written

CURVES = Curves(
    losses=[LossPoint(step=1, loss=0.7), LossPoint(step=2, loss=0.6)],
    epochs=[
        Epoch(epoch=1, step=2, train_accuracy=0.5, validation_accuracy=0.5, validation_loss=0.6, train_s=1.5)
    ],
    best_epoch=None,
)
PREDICTIONS = Predictions(labels=[0, 1], predicted=[0, 0], probabilities=[[0.9, 0.1], [0.6, 0.4]])


@pytest.fixture
def full_record(toy_record: MakeRecord) -> Record:
    return toy_record(Recipe(position="first", context=50), curves=CURVES, test=PREDICTIONS)


def test_records_come_back_as_they_were(tmp_path: Path, toy_record: MakeRecord, full_record: Record) -> None:
    assert store.load_records(tmp_path) == {}
    path = store.save_record(tmp_path, full_record)
    assert path == tmp_path / "runs" / f"{full_record.run_id}.json"
    other = toy_record(seed_index=3, status="failed", reason="„quoted“\nand cut\x00")
    store.save_record(tmp_path, other)
    assert store.load_records(tmp_path) == {other.run_id: other, full_record.run_id: full_record}


def test_saving_twice_replaces_and_gives_the_same_bytes(tmp_path: Path, toy_record: MakeRecord) -> None:
    path = store.save_record(tmp_path, toy_record(status="failed", reason="killed"))
    store.save_record(tmp_path, toy_record())
    first = path.read_bytes()
    store.save_record(tmp_path, toy_record())
    assert path.read_bytes() == first
    assert store.load_record(path).status == "done"
    assert list(path.parent.iterdir()) == [path]


def test_groups_are_in_records_of_data_with_groups_alone(tmp_path: Path, full_record: Record) -> None:
    assert "groups" not in store.save_record(tmp_path, full_record).read_text()
    facts = full_record.dataset.model_copy(update={"n_test_groups": 2, "test_groups_count_as": 1.8})
    test = PREDICTIONS.model_copy(update={"groups": [4, 0]})
    grouped = full_record.model_copy(update={"test": test, "dataset": facts})
    text = store.save_record(tmp_path, grouped).read_text()
    assert '  "groups": [4, 0]' in text
    assert '  "n_test_groups": 2' in text
    assert '  "test_groups_count_as": 1.8' in text
    assert store.find_record(tmp_path, grouped.run_id) == grouped
    with pytest.raises(ValueError, match="groups must be those of the labels"):
        Predictions.model_validate(test.model_dump() | {"groups": [1]})


def test_lists_stay_on_one_line(tmp_path: Path, full_record: Record) -> None:
    lines = store.save_record(tmp_path, full_record).read_text().splitlines()
    assert lines[1] == f' "schema_version": {SCHEMA_VERSION},'  # the schema's order
    assert '  "labels": [0, 1],' in lines
    assert "   [0.9, 0.1]," in lines
    assert '   {"step": 1, "loss": 0.7},' in lines


def test_study_comes_back_as_it_was(tmp_path: Path, toy_study: Callable[..., Study]) -> None:
    study = toy_study()
    assert store.save_study(tmp_path, study) == tmp_path / "study.json"
    assert store.load_study(tmp_path) == study


def test_no_study_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"does not hold a study .* `python -m bench run` creates one"):
        store.load_study(tmp_path)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(UserError, match=r"study\.json is damaged .* run the study again"):
        store.load_study(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "is damaged"),
        (lambda _: "", "is damaged"),
        (lambda _: "[" * 100_000, "is damaged"),
        (lambda _: "[1]", "is not a JSON object"),
        (lambda _: '{"a": 1}', r"is not a record \(schema_version is None\)"),
        (
            lambda text: text.replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": "1"'),
            "is not a record",
        ),
        (
            lambda text: text.replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 99'),
            r"written by a newer version .* update the project",
        ),
        (
            lambda text: text.replace('"done"', '"finished"'),
            r"does not fit its schema \(status: use 'done'",
        ),
        (
            lambda text: text.replace('"cpu": ', '"host": '),
            r"does not fit its schema \(environment.cpu: Field",
        ),
        (lambda text: text.replace("-s0", "-s1"), r"holds the record of .*-s1: give it that name"),
    ],
)
def test_foreign_and_damaged_files_are_named(
    tmp_path: Path, toy_record: MakeRecord, change: Callable[[str], str], message: str
) -> None:
    path = store.save_record(tmp_path, toy_record())
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError, match=message) as caught:
        store.load_records(tmp_path)
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_damage(tmp_path: Path, toy_record: MakeRecord) -> None:
    path = store.save_record(tmp_path, toy_record())
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"is damaged .* move it away, and the run is repeated"):
        store.load_records(tmp_path)


def test_what_cannot_be_read_again_is_not_written(tmp_path: Path, toy_record: MakeRecord) -> None:
    broken = LossPoint.model_construct(step=1, loss=float("nan"))
    curves = CURVES.model_copy(update={"losses": [broken]})
    with pytest.raises(ValueError, match=r"curves\.losses\.0\.loss"):
        store.save_record(tmp_path, toy_record(curves=curves))
    assert store.load_records(tmp_path) == {}


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, toy_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.save_record(tmp_path, toy_record())
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"cannot write .* \(No space left on device\)"):
        store.save_record(tmp_path, toy_record(status="failed"))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_process_left_is_not_read(tmp_path: Path, toy_record: MakeRecord) -> None:
    path = store.save_record(tmp_path, toy_record())
    (path.parent / f".{path.name}.123.part").write_text("{")
    assert list(store.load_records(tmp_path)) == [path.stem]


@pytest.mark.parametrize("path", sorted(EARLIER.glob("*.json")), ids=lambda path: path.stem)
def test_earlier_schema_versions_open(path: Path) -> None:
    raw = json.loads(path.read_text())
    assert raw["schema_version"] < SCHEMA_VERSION
    record = store.load_record(path)
    assert record.schema_version == SCHEMA_VERSION
    assert record.cost is not None
    assert record.cost.marginal_s == raw["cost"].get("total_s", raw["cost"].get("marginal_s"))
    assert record.cost.process_mem_bytes == raw["cost"]["peak_mem_bytes"]  # was the whole process's
    assert record.cost.added_mem_bytes is None


def test_every_earlier_version_has_an_upgrade() -> None:
    assert sorted(store.UPGRADES) == list(range(1, SCHEMA_VERSION))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_dumped_json_is_the_same_json(value: Any) -> None:
    assert json.loads(store.dump_json(value)) == value
