"""`watch --once` as a script sees it."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.records.events import Ended, EventLog, Started
from bench.records.recommendation import load_state, save_state
from bench.records.record import Record
from bench.records.store import save_record, save_study
from bench.records.study import Study
from gptcore.files import write_whole
from gptcore.locks import lock


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


def watched(folder: Path) -> list[str]:
    answer = CliRunner().invoke(app, ["watch", str(folder), "--once"])
    assert answer.exit_code == 0, answer.output
    return answer.output.splitlines()


def test_scores_are_called_what_they_are(tmp_path: Path, study: Study, records: list[Record]) -> None:
    save_study(tmp_path, study.model_copy(update={"metric": "macro-f1"}))
    for record in records:
        save_record(tmp_path, record)
    lines = watched(tmp_path)
    assert any(line.startswith("best so far by macro-F1 (means over finished seeds") for line in lines)
    assert any("% test macro-F1  3 of 3 seeds  lora" in line for line in lines)
    assert not any("accuracy" in line for line in lines)


def test_a_study_that_has_ended_is_not_to_be_resumed(tmp_path: Path, study: Study) -> None:
    save_study(tmp_path, study)
    assert "81 runs are left, and no process is at work: the command of the study resumes it" in watched(
        tmp_path
    )
    save_study(tmp_path, study.model_copy(update={"ended": "the budget of 5m is spent"}))
    assert watched(tmp_path)[1:] == ["ended: the budget of 5m is spent"]


def test_runs_in_the_queue_of_slurm_are_not_called_left_alone(tmp_path: Path, study: Study) -> None:
    save_study(tmp_path, study)
    write_whole(tmp_path / "slurm" / "driver.pkl", b"")
    queued = "81 runs are left: they wait in Slurm's queue (squeue), or the command of the study resumes it"
    assert queued in watched(tmp_path)


@pytest.fixture
def recommendation(tmp_path: Path) -> Path:
    """A copy of the committed one."""
    source = Path(__file__).parents[3] / "results" / "recommend-amazon-snippets"
    return Path(shutil.copytree(source, tmp_path / "mine"))


def test_a_recommendation_that_has_ended(recommendation: Path) -> None:
    lines = watched(recommendation)
    assert lines[:4] == [
        "recommendation for amazon-snippets: 23 runs done, 0 failed, 0 skipped, 0 running; 20 trials ended",
        "ended after 4.9 min of 7.0 min: the rest of the budget is too short for another run",
        "best so far (means over finished seeds; `recommend` says what is decided):",
        "  76.3% held-out accuracy  5 seeds  tfidf",
    ]
    text = "\n".join(lines)
    assert "test accuracy" not in text
    assert "left" not in text


def test_a_recommendation_at_work(recommendation: Path) -> None:
    state = load_state(recommendation)
    assert state is not None
    save_state(recommendation, state.model_copy(update={"last_call": None}))
    assert watched(recommendation)[1] == (
        "4.9 min of the budget spent, and no process is at work: the same command continues"
    )
    name = "micro-last_block-last_real-12345678-s0"
    parts = {"search/tuning": "trial", "search": "learning curve", "test": "test"}
    for part, what in parts.items():
        with lock(recommendation / part, name), lock(recommendation / "search", "report"):
            lines = watched(recommendation)
            assert "1 running; 20 trials ended" in lines[0]
            assert lines[1:4] == [
                *("4.9 min of the budget spent", "running:"),
                f"  {what}: {name[:-3]} seed 0 (its worker leaves no events)",
            ]
    log = EventLog(recommendation / "search" / "tuning", "w1")
    log.append(Started(at=datetime.now(UTC), run_id=name))
    assert any(line.startswith(f"  trial: {name[:-3]} seed 0, ") for line in watched(recommendation))
    log.append(Ended(at=datetime.now(UTC), run_id=name, status="done"))
    assert any(line.startswith("  w1: 1 run, ") for line in watched(recommendation))


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
