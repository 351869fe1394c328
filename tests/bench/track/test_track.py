"""Trackers get copies of finished runs; what one of them does never reaches the study."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.records.record import Record
from bench.study.plan import PlannedRun
from bench.track.track import TRACKERS, Tracked, Tracking, check_trackers
from bench.track.tracker import TrackedRun, Tracker, tracked
from gptcore.errors import UserError
from gptcore.recipe import Recipe


class Kept:
    """A tracker that keeps what it gets, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.runs: list[TrackedRun] = []
        self.error = error

    def log(self, run: TrackedRun) -> None:
        if self.error:
            raise self.error
        self.runs.append(run)


class Silent:
    """A listener that writes down the names of its calls."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_args: self.heard.append(name)


def planned(record: Record) -> PlannedRun:
    return PlannedRun(("baseline",), record.recipe, record.seed_index, record.seeds, "todo")


def tracking(**trackers: Tracker) -> tuple[Tracking, list[str]]:
    warned: list[str] = []
    made = {name: (lambda tracker=tracker: tracker) for name, tracker in trackers.items()}
    return Tracking(list(trackers), "study", warned.append, made), warned


def test_a_copy_has_the_record_s_numbers(records: list[Record]) -> None:
    run = tracked(records[0], "study", ("baseline", "ignore-index"))
    record = records[0]
    assert record.metrics
    assert record.curves
    assert run.metrics["test_accuracy"] == record.metrics.test.accuracy
    assert [found["epoch_validation_accuracy"] for found in run.curve.values()] == [
        epoch.validation_accuracy for epoch in record.curves.epochs
    ]
    assert (run.params["lr"], run.params["model"], run.params["seed_index"]) == (5e-5, "gpt2", 0)
    assert (run.name, run.group, run.failed) == (record.run_id, "baseline, ignore-index", False)


def test_no_message_output_or_path_is_copied(studies: Any, study: Any) -> None:
    failed = studies.make_unfinished(study.rows[0], 0, "failed", "ValueError: hf_secret in 'a private text'")
    recipe = Recipe(model="/home/ann/models/final")
    failed = failed.model_copy(
        update={"output_tail": ["hf_secret"], "notes": ["a private text"], "recipe": recipe}
    )
    copy = json.dumps(tracked(failed, "study", ("baseline",)).__dict__)
    assert '"failed": true' in copy
    assert not any(word in copy for word in ("secret", "private", "ann", failed.environment.cpu))


def test_the_path_of_a_folder_is_not_copied_where_it_reads_like_a_hub_id(
    records: list[Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("ann/final", "bob/final"):
        (tmp_path / folder).mkdir(parents=True)

    def sent(model: str) -> object:
        record = records[0].model_copy(update={"recipe": Recipe(model=model)})
        return tracked(record, "study", ("baseline",)).params["model"]

    hub = "owner/name@refs/pr/1"
    names = [str(sent(model)) for model in ("ann/final", "bob/final", "gone/from/here", hub)]
    assert [name.partition("-")[0] for name in names] == ["final", "final", "here", hub]
    assert names[0] != names[1]
    assert sent("ann/final") == sent(str(tmp_path / "ann" / "final"))


def test_runs_of_this_process_are_copied_once_they_end(records: list[Record]) -> None:
    kept, listener = Kept(), Silent()
    log, warned = tracking(mlflow=kept)
    tracked_listener = Tracked(listener, log)
    mine, theirs, skipped = records[0], records[1], records[2].model_copy(update={"status": "skipped"})
    for record in (mine, skipped):
        tracked_listener.start(planned(record))
    for record in (mine, theirs, skipped):
        tracked_listener.end(planned(record), record)
    tracked_listener.seed(0)
    tracked_listener.wait([])
    tracked_listener.refuse(planned(mine), "")
    tracked_listener.retry(planned(mine), "")
    assert [run.name for run in kept.runs] == [mine.run_id]
    assert listener.heard == [*["start"] * 2, *["end"] * 3, "seed", "wait", "refuse", "retry"]
    assert warned == []


def test_a_tracker_that_fails_is_given_up_with_one_warning(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    good = Kept()
    log, warned = tracking(wandb=Kept(OSError("no route, key 0123456789abcdef\nmore")), mlflow=good)
    for record in records[:3]:
        log.log(planned(record), record)
    assert len(good.runs) == 3
    (line,) = warned
    assert line.startswith("--track wandb stopped (OSError: no route, key $WANDB_API_KEY)")


def test_a_tracker_that_cannot_open_is_given_up(records: list[Record]) -> None:
    def fails() -> Tracker:
        raise RuntimeError("not logged in")

    warned: list[str] = []
    log = Tracking(["wandb"], "study", warned.append, {"wandb": fails})
    log.log(planned(records[0]), records[0])
    assert len(warned) == 1


def test_unknown_and_missing_trackers_are_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="known trackers are mlflow, wandb, trackio"):
        check_trackers(["neptune"])
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UserError, match=r"\[mlflow\]"):
        check_trackers(["mlflow"])
    assert check_trackers([]) == []


# --- the real libraries, offline -------------------------------------------------------------------------


SENTINEL = "5e47" * 10  # of the form that wandb asks of a key


@pytest.fixture
def copies(records: list[Record], studies: Any, study: Any) -> list[Record]:
    failed = studies.make_unfinished(study.rows[3], 0, "failed", "out of memory")
    return [records[0], records[1], failed]


def log_all(name: str, copies: list[Record], folder: Path) -> None:
    """Copy the records. No file of the folder, where the copies go, has the value of a variable of the environment."""
    warned: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("HF_TOKEN", "WANDB_API_KEY", "SOME_VARIABLE"):
            patch.setenv(variable, SENTINEL)
        log = Tracking([name], "study", warned.append, TRACKERS)
        for record in copies:
            log.log(planned(record), record)
    assert warned == []
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if SENTINEL.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_mlflow_has_the_runs(tmp_path: Path, copies: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="the extra [mlflow] is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    log_all("mlflow", copies, tmp_path)
    from mlflow import MlflowClient

    client = MlflowClient()
    experiment = client.get_experiment_by_name("study")
    assert experiment
    found = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(found) == {record.run_id for record in copies}
    first = found[copies[0].run_id]
    assert copies[0].metrics
    assert copies[0].curves
    assert first.data.metrics["test_accuracy"] == copies[0].metrics.test.accuracy
    assert first.data.params["lr"] == "5e-05"
    history = client.get_metric_history(first.info.run_id, "epoch_validation_accuracy")
    assert [point.value for point in history] == [
        epoch.validation_accuracy for epoch in copies[0].curves.epochs
    ]
    assert [found[record.run_id].info.status for record in copies] == ["FINISHED", "FINISHED", "FAILED"]
    assert set(first.data.tags) <= {"mlflow.runName", "rows"}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_wandb_has_the_runs(tmp_path: Path, copies: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="the extra [wandb] is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    log_all("wandb", copies, tmp_path)
    files = list(tmp_path.rglob("*.wandb"))
    assert len(files) == len(copies)
    whole = b"".join(file.read_bytes() for file in files)
    assert all(record.run_id.encode() in whole for record in copies)
    assert b"epoch_validation_accuracy" in whole
    assert b"dataset_fingerprint" in whole
    assert str(Path.home()).encode() not in whole


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_trackio_has_the_runs(tmp_path: Path, copies: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))  # read when it is imported
    pytest.importorskip("trackio", reason="the extra [trackio] is not installed")
    from trackio import utils

    if str(utils.TRACKIO_DIR) != str(tmp_path):
        pytest.skip("trackio was imported with another folder in this process")
    log_all("trackio", copies, tmp_path)
    with sqlite3.connect(tmp_path / "study.db") as store:
        names = {name for (name,) in store.execute("select distinct run_name from metrics")}
        configs = dict(store.execute("select run_name, config from configs").fetchall())
        values = [value for (value,) in store.execute("select metrics from metrics")]
    store.close()
    assert names <= set(configs) == {record.run_id for record in copies}
    assert copies[0].metrics
    assert any(json.loads(value).get("test_accuracy") == copies[0].metrics.test.accuracy for value in values)
    assert json.loads(configs[copies[0].run_id])["model"] == "gpt2"
