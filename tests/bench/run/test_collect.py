"""Records of machines that never met become one study, or the contradiction is named and nothing is written."""

from pathlib import Path
from typing import Any

import pytest

from bench.records.record import Record
from bench.records.store import load_records, load_study, save_record, save_study
from bench.records.stored import record_path
from bench.records.study import Study
from bench.run import collect as module
from bench.run.collect import Collected, collect
from gptcore.errors import UserError
from gptcore.locks import lock


@pytest.fixture
def few(records: list[Record]) -> list[Record]:
    """Finished runs of two rows, three seeds each."""
    return [record.model_copy(update={"engine": "fast"}) for record in records[:6]]


def part(folder: Path, study: Study, records: list[Record], **changed: Any) -> Path:
    save_study(folder, study.model_copy(update=changed))
    for record in records:
        save_record(folder, record)
    return folder


def everything(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_halves_and_an_overlap_are_one_study(tmp_path: Path, study: Study, few: list[Record]) -> None:
    a = part(tmp_path / "a", study, few[:4])
    b = part(tmp_path / "b", study, few[2:])
    assert collect([a, b], tmp_path / "out") == Collected(6, 6, 2, 0)
    assert list(load_records(tmp_path / "out").values()) == sorted(few, key=lambda record: record.run_id)
    assert load_study(tmp_path / "out") == study.model_copy(update={"name": "out"})
    before = everything(tmp_path / "out")
    assert collect([a, b], tmp_path / "out") == Collected(6, 0, 6 + 2, 0)
    assert everything(tmp_path / "out") == before


def test_rows_and_seeds_are_those_of_all_parts(tmp_path: Path, study: Study, few: list[Record]) -> None:
    a = part(tmp_path / "a", study, few[:1], rows=study.rows[:2], seeds=study.seeds[:1], looks=[1])
    b = part(tmp_path / "b", study, few[3:4], rows=[study.rows[0], study.rows[2]], looks=[3])
    collect([a, b], tmp_path / "out")
    found = load_study(tmp_path / "out")
    assert [row.name for row in found.rows] == [row.name for row in study.rows[:3]]
    assert (found.seeds, found.looks) == (study.seeds, [1, 3])


def test_why_a_part_ended_says_nothing_of_the_whole(tmp_path: Path, study: Study, few: list[Record]) -> None:
    how = {"budget": "30m", "ended": "every row is decided"}
    a, b = part(tmp_path / "a", study, few[:1], **how), part(tmp_path / "b", study, few[3:4], **how)
    collect([a], tmp_path / "copy")
    assert load_study(tmp_path / "copy").budget == "30m"
    collect([a, b], tmp_path / "out")
    assert (load_study(tmp_path / "out").budget, load_study(tmp_path / "out").ended) == (None, None)


def test_times_may_differ_and_the_first_are_kept(tmp_path: Path, study: Study, few: list[Record]) -> None:
    assert few[0].cost
    slower = few[0].model_copy(update={"cost": few[0].cost.model_copy(update={"marginal_s": 99.0})})
    a, b = part(tmp_path / "a", study, few[:1]), part(tmp_path / "b", study, [slower])
    assert collect([a, b], tmp_path / "out").n_duplicates == 1
    assert load_records(tmp_path / "out") == {few[0].run_id: few[0]}


@pytest.mark.parametrize("what", ["test predictions", "data"])
def test_a_conflict_is_named_and_nothing_is_written(
    tmp_path: Path, study: Study, few: list[Record], what: str
) -> None:
    assert few[0].test
    if what == "data":
        changes: dict[str, Any] = {
            "dataset": few[0].dataset.model_copy(update={"fingerprint": "9" * 64, "n_train": 1044})
        }
    else:
        predicted = [1 - few[0].test.predicted[0], *few[0].test.predicted[1:]]
        changes = {"test": few[0].test.model_copy(update={"predicted": predicted})}
    a = part(tmp_path / "a", study, few)
    b = part(tmp_path / "b", study, [few[0].model_copy(update=changes)])
    with pytest.raises(UserError) as said:
        collect([a, b], tmp_path / "out")
    assert few[0].run_id in str(said.value)
    assert f"different {what}" in str(said.value)
    assert str(record_path(a, few[0].run_id)) in str(said.value)
    assert not (tmp_path / "out").exists()


def test_a_finished_run_stands_for_a_failed_one(
    tmp_path: Path, study: Study, few: list[Record], studies: Any
) -> None:
    failed = [studies.make_unfinished(study.rows[0], seed, "failed", "out of memory") for seed in (0, 1)]
    failed = [record.model_copy(update={"engine": "fast"}) for record in failed]
    skipped = studies.make_unfinished(study.rows[0], 1, "skipped", "no weights")
    a, b = part(tmp_path / "a", study, failed), part(tmp_path / "b", study, [few[0], skipped])
    assert collect([a, b], tmp_path / "out") == Collected(2, 2, 0, 2)
    assert load_records(tmp_path / "out") == {few[0].run_id: few[0], failed[1].run_id: failed[1]}


def test_parts_of_other_studies_are_refused(tmp_path: Path, study: Study, few: list[Record]) -> None:
    a = part(tmp_path / "a", study, few)
    other_row = study.rows[1].model_copy(update={"weight": 2.0})
    contradictions: list[tuple[dict[str, Any], str]] = [
        ({"engine": "plain"}, r"engine differs \(fast and plain\); collect them into two folders"),
        ({"metric": "macro-f1"}, r"metric differs \(accuracy and macro-f1\)"),
        ({"margin": 0.05}, r"margin differs \(None and 0.05\)"),
        ({"seeds": study.seeds[1:]}, "seeds differ"),
        ({"rows": [study.rows[0], other_row]}, "row 'first-token' differs"),
        (
            {"dataset": study.dataset.model_copy(update={"source_fingerprint": "0" * 64})},
            "data sms-spam and sms-spam",
        ),
    ]
    for number, (changed, what) in enumerate(contradictions):
        b = part(tmp_path / f"b{number}", study, [], **changed)
        with pytest.raises(UserError, match=what):
            collect([a, b], tmp_path / "out")
    mixed = few[5].model_copy(update={"engine": "plain"})
    with pytest.raises(UserError, match="holds runs of the plain engine"):
        collect([a, part(tmp_path / "c", study, [mixed])], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_other_checkpoints_made_is_refused(tmp_path: Path, study: Study, few: list[Record]) -> None:
    a = part(tmp_path / "a", study, few[:1], checkpoints={"gpt2": "1" * 64})
    b = part(tmp_path / "b", study, few[1:2], checkpoints={"gpt2": "2" * 64})
    with pytest.raises(UserError, match="checkpoint files of gpt2 differ"):
        collect([a, b], tmp_path / "out")


def test_a_run_that_a_process_is_at_is_left_alone(tmp_path: Path, study: Study, few: list[Record]) -> None:
    a = part(tmp_path / "a", study, few)
    with lock(tmp_path / "out", few[0].run_id), pytest.raises(UserError, match="a process is at run"):
        collect([a], tmp_path / "out")
    assert load_records(tmp_path / "out") == {}


def test_records_of_a_folder_without_a_manifest_are_never_overwritten_unseen(
    tmp_path: Path, study: Study, few: list[Record]
) -> None:
    assert few[0].test
    a, out = part(tmp_path / "a", study, few), tmp_path / "out"
    predicted = [1 - few[0].test.predicted[0], *few[0].test.predicted[1:]]
    save_record(
        out, few[0].model_copy(update={"test": few[0].test.model_copy(update={"predicted": predicted})})
    )
    before = everything(out)
    with pytest.raises(UserError, match=f"{few[0].run_id}.*different test predictions"):
        collect([a], out)
    assert everything(out) == before
    save_record(out, few[0])  # as after an interrupted merge
    assert collect([a], out) == Collected(6, 5, 1, 0)


def test_a_run_that_ends_meanwhile_is_not_replaced(
    tmp_path: Path, study: Study, few: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, out = part(tmp_path / "a", study, few[:1]), tmp_path / "out"
    own = few[0].model_copy(update={"notes": ["made here"]})

    def is_held(*_: object) -> bool:  # the last look before records are written
        save_record(out, own)
        return False

    monkeypatch.setattr(module, "is_held", is_held)
    with pytest.raises(UserError, match="has changed meanwhile"):
        collect([a], out)
    assert load_records(out) == {own.run_id: own}

    monkeypatch.setattr(module, "is_held", lambda *_: False)
    b = part(tmp_path / "b", study, few[1:2])
    with lock(out, few[1].run_id), pytest.raises(UserError, match="a process is at run"):
        collect([b], out)


def test_a_folder_without_a_study_or_with_a_damaged_record_is_named(
    tmp_path: Path, study: Study, few: list[Record]
) -> None:
    a = part(tmp_path / "a", study, few)
    with pytest.raises(UserError, match="does not hold a study"):
        collect([a, tmp_path / "none"], tmp_path / "out")
    record_path(a, few[0].run_id).write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        collect([a], tmp_path / "out")
    assert not (tmp_path / "out").exists()
