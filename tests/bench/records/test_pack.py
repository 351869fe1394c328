"""A packed study holds the same records in one file, and every reader finds them."""

import json
import lzma
import re
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.records.pack import folders_with_records, pack
from bench.records.record import Record
from bench.records.store import find_record, load_records, named_record, save_record, save_study
from bench.records.stored import PACKED, StoredRun, packed_line, record_path, stored_runs
from bench.records.study import Study
from bench.report.columns import RUNS as COLUMNS
from bench.report.export import export
from bench.run.collect import Collected, collect
from gptcore.errors import UserError
from gptcore.locks import lock


def _in_float32(rows: list[list[float]]) -> list[list[float]]:
    return [list(array("f", row)) for row in rows]


@pytest.fixture
def few(records: list[Record]) -> list[Record]:
    """Finished runs of two rows, three seeds each, sorted by id."""
    return sorted(
        (each.model_copy(update={"engine": "fast"}) for each in records[:6]), key=lambda r: r.run_id
    )


@pytest.fixture
def folder(tmp_path: Path, study: Study, few: list[Record]) -> Path:
    save_study(tmp_path / "mine", study)
    for record in few:
        save_record(tmp_path / "mine", record)
    return tmp_path / "mine"


def test_records_are_the_same_in_one_small_file(folder: Path, few: list[Record]) -> None:
    before = {path.stem: json.loads(path.read_text()) for path in (folder / "runs").glob("*.json")}
    done = pack(folder)
    assert (done.n_records, done.bytes_after) == (6, (folder / PACKED).stat().st_size)
    assert done.bytes_after < done.bytes_before / 3
    assert not (folder / "runs").exists()
    assert list(load_records(folder).values()) == few
    assert {run.run_id: json.loads(run.read()) for run in stored_runs(folder)} == before
    assert find_record(folder, few[2].run_id) == few[2] == named_record(str(folder / few[2].run_id))
    assert find_record(folder, "another-s0") is None


@pytest.mark.parametrize(
    ("test", "form"),
    [
        (
            {
                "labels": [0, 1, 1],
                "losses": [0.625795, 0.0, 13.815511],
                "probabilities": [[0.534836, 0.465164], [0.0, 1.0], [0.999999, 1e-06]],
            },
            {"above_loss": [0, 0, 0], "above_rest": None, "float32": False},
        ),
        (  # as float32, in which both were rounded
            {
                "labels": [0, 1],
                "losses": [0.029537, 0.008981],
                "probabilities": _in_float32([[0.970896, 0.029105], [0.00894, 0.991059]]),
            },
            {"above_loss": [1, 0], "above_rest": [1, -1], "float32": True},
        ),
        ({"labels": [0, 1], "probabilities": [[0.534836, 0.465164], [0.999999, 1e-06]]}, [0.465164, 1e-06]),
        (
            {"labels": [0], "losses": None, "probabilities": [[0.3, 0.700001]]},
            [[0.3, 0.700001]],
        ),  # no sum of 1
        ({"labels": [2], "losses": [0.7], "probabilities": [[0.2, 0.3, 0.5]]}, [[0.2, 0.3, 0.5]]),
    ],
)
def test_probabilities_of_two_classes_follow_from_less(
    tmp_path: Path, test: dict[str, Any], form: Any
) -> None:
    content = {"run_id": "a-s0", "output_tail": ['"probabilities":[0.5]'], "test": test}
    path = tmp_path / "a-s0.json"
    path.write_text(json.dumps(content))
    packed = packed_line(StoredRun("a-s0", path))
    assert json.loads(packed)["test"]["probabilities"] == form
    assert json.loads(StoredRun("a-s0", path, packed).read()) == content


def test_a_run_that_is_repeated_stands_for_the_packed_one(folder: Path, few: list[Record]) -> None:
    pack(folder)
    again = few[3].model_copy(update={"notes": ["again"]})
    new = few[0].model_copy(update={"run_id": "another-s0"})
    for record in (again, new):
        save_record(folder, record)
    wanted = sorted([*few[:3], again, *few[4:], new], key=lambda record: record.run_id)
    assert list(load_records(folder).values()) == wanted
    assert find_record(folder, again.run_id) == again
    assert pack(folder).n_records == 7  # the new ones join
    assert list(load_records(folder).values()) == wanted
    assert pack(folder).bytes_before == 0  # nothing is left to do


def test_records_of_earlier_schemas_keep_their_content(folder: Path) -> None:
    for path in sorted((Path(__file__).parent / "schema").rglob("*-s?.json")):
        record_path(folder, json.loads(path.read_text())["run_id"]).write_bytes(path.read_bytes())
    before = load_records(folder)
    assert len(before) > 6
    pack(folder)
    assert load_records(folder) == before


def test_packed_parts_are_collected_and_exported(
    folder: Path, study: Study, few: list[Record], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    save_study(other, study)
    save_record(other, few[0])
    pack(folder)
    assert collect([folder], other) == Collected(6, 5, 1, 0)
    assert list(load_records(other).values()) == few
    assert collect([other], folder) == Collected(6, 0, 6, 0)
    assert not record_path(folder, few[0].run_id).exists()
    one, two = (tmp_path / f"{each}.csv" for each in ("one", "two"))
    assert export([folder], COLUMNS, "csv", one) == export([other], COLUMNS, "csv", two)
    assert one.read_text().replace("mine", "other") == two.read_text()


def test_folders_within_a_study_are_found(folder: Path, few: list[Record]) -> None:
    save_record(folder / "tuning", few[0])
    assert folders_with_records(folder.parent) == folders_with_records(folder) == [folder, folder / "tuning"]
    pack(folder)
    assert folders_with_records(folder) == [folder / "tuning"]
    pack(folder / "tuning")
    assert folders_with_records(folder) == []
    with pytest.raises(UserError, match="nothing holds no records"):
        folders_with_records(folder / "nothing")


def test_nothing_is_packed_while_a_run_is_made(folder: Path, few: list[Record]) -> None:
    with lock(folder, few[0].run_id), pytest.raises(UserError, match=f"a process is at {few[0].run_id}"):
        pack(folder)
    assert not (folder / PACKED).exists()


def test_what_is_no_record_is_named_and_all_stays(folder: Path, few: list[Record]) -> None:
    damaged = record_path(folder, few[1].run_id)
    damaged.write_text("{")
    with pytest.raises(UserError, match=f"{damaged} is damaged"):
        pack(folder)
    assert len(list((folder / "runs").glob("*.json"))) == 6
    assert [path.name for path in folder.iterdir() if PACKED in path.name] == []


@pytest.mark.parametrize("what", ["half", "text", "lines", "form"])
def test_a_damaged_file_is_named_with_the_remedy(folder: Path, few: list[Record], what: str) -> None:
    pack(folder)
    path = folder / PACKED
    content: dict[str, Callable[[], bytes]] = {
        "half": lambda: path.read_bytes()[: path.stat().st_size // 2],
        "text": lambda: b"no archive",
        "lines": lambda: lzma.compress(b'{"schema_version": 3}\n'),
        "form": lambda: lzma.compress(
            re.sub(
                rb'"probabilities":\[',
                b'"probabilities":{"above_loss":[]},"more":[',
                lzma.decompress(path.read_bytes()),
            )
        ),
    }
    path.write_bytes(content[what]())
    with pytest.raises(UserError, match=f"{path} is damaged .*restore it"):
        load_records(folder)
    with pytest.raises(UserError, match=f"{path} is damaged"):
        find_record(folder, few[0].run_id)


def test_a_line_that_is_another_run_is_refused(folder: Path) -> None:
    run = next(stored_runs(folder))
    assert str(StoredRun("other", folder / PACKED, run.read())) == f"{folder / PACKED} (other)"
    (folder / PACKED).write_bytes(lzma.compress(b'{"run_id":"zzz","schema_version":3}\n'))
    with pytest.raises(UserError, match=r"runs\.jsonl\.xz \(zzz\) does not fit its schema"):
        load_records(folder)
