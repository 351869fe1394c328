"""`watch --once` as a script sees it."""

from datetime import UTC, datetime
from pathlib import Path

from typer.testing import CliRunner

from bench.cli import app
from bench.records.events import EventLog, Started
from bench.records.record import Record
from bench.records.store import save_record, save_study
from bench.records.study import Study


def test_a_snapshot_is_plain_text(tmp_path: Path, study: Study, records: list[Record]) -> None:
    save_study(tmp_path, study.model_copy(update={"name": "mine\x1b[31m"}))
    for record in records:
        if record.seed_index < 2:
            save_record(tmp_path, record)
    baseline = f"{study.rows[0].recipe.id}-s2"
    EventLog(tmp_path, "w1").append(Started(at=datetime.now(UTC), run_id=baseline))
    answer = CliRunner().invoke(app, ["watch", str(tmp_path), "--once"])
    assert answer.exit_code == 0, answer.output
    assert "\x1b" not in answer.output
    lines = answer.output.splitlines()
    assert "runs done, 1 failed" in lines[0]
    assert "1 running" in lines[0]
    assert "  full-context seed 1: RuntimeError: loss became nan at step 41" in lines
    assert any(line.startswith("  baseline, ignore-index seed 2, ") and "w1" in line for line in lines)
    assert any("of 3 seeds" in line for line in lines)


def test_a_folder_without_a_study_is_said(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["watch", str(tmp_path), "--once"])
    assert answer.exit_code != 0


def test_trials_are_said_before_the_first_run(tmp_path: Path, records: list[Record]) -> None:
    save_record(tmp_path / "mine" / "tuning", records[0])
    answer = CliRunner().invoke(app, ["watch", str(tmp_path), "--once"])
    assert answer.exit_code == 0, answer.output
    assert answer.output.splitlines() == [
        "mine: values of its rows are being chosen, no run has begun: 1 trial ended, 0 running",
        "no process is at work: the command of the study resumes it",
    ]
