"""Events are appended line by line, one file per worker, and a reader copes with all that a live file can hold."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from bench.records.events import Ended, EpochEnded, Event, EventLog, EventReader, Started
from gptcore.result import Epoch

EPOCH = Epoch(
    epoch=1, step=10, train_accuracy=0.5, validation_accuracy=0.75, validation_loss=0.6, train_s=1.0
)


def test_a_run_is_logged_from_its_start_to_its_end(tmp_path: Path) -> None:
    with EventLog(tmp_path, "w1").run("nano-all-last-12345678-s0") as run:
        run.epoch(EPOCH)
        run.status = "done"
    reader = EventReader(tmp_path)
    workers, events = zip(*reader.more(), strict=True)
    assert (set(workers), reader.n_unknown) == ({"w1"}, 0)
    assert [type(event) for event in events] == [Started, EpochEnded, Ended]
    assert events[-1].status == "done"
    assert all(event.at.utcoffset() is not None for event in events)


def test_a_run_that_is_interrupted_is_logged_as_such(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), EventLog(tmp_path, "w1").run("r-s0"):
        raise KeyboardInterrupt
    assert [event.status for _, event in EventReader(tmp_path).more() if event.kind == "ended"] == [
        "interrupted"
    ]


def test_half_a_line_is_left_for_later_and_other_lines_are_counted(tmp_path: Path) -> None:
    log = EventLog(tmp_path, "w1")
    with log.run("r-s0") as run:
        run.status = "done"
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + b'{"kind":"of a later version"}\n\xff\n' + whole[:20])
    reader = EventReader(tmp_path)
    assert (len(list(reader.more())), reader.n_unknown) == (2, 2)
    assert not list(reader.more())
    with log.path.open("ab") as file:  # the rest of the line
        file.write(whole[20 : whole.index(b"\n") + 1])
    assert [event.kind for _, event in reader.more()] == ["started"]
    assert reader.n_unknown == 2


def test_workers_never_share_a_file_and_no_host_is_named(tmp_path: Path) -> None:
    import socket

    assert EventLog(tmp_path, "a").path != EventLog(tmp_path, "b").path
    assert EventLog(tmp_path).path == EventLog(tmp_path).path
    assert socket.gethostname() not in EventLog(tmp_path).path.name


def test_a_folder_that_cannot_be_written_costs_events_and_no_run(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("in the way")
    with EventLog(tmp_path).run("r-s0") as run:
        run.epoch(EPOCH)
    assert (tmp_path / "events").read_text() == "in the way"


def test_an_event_has_no_place_for_a_text() -> None:
    with pytest.raises(ValidationError):
        Started(at="2026-01-01T00:00:00Z", run_id="HF_TOKEN=abc def")  # type: ignore[arg-type]
    free = {
        name
        for event in Event.__args__
        for name, field in event.model_fields.items()
        if field.annotation is str and name != "run_id"
    }
    assert not free
