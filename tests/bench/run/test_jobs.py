"""How many runs go at a time, and that several processes leave the study that one would have left."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.records.record import Record
from bench.records.store import load_records
from bench.run import jobs as module
from bench.run.jobs import n_jobs
from gptcore.errors import UserError
from gptcore.recipe import Recipe

SMALL, LARGE, COUNTS = Recipe(model="nano"), Recipe(model="gpt2"), Recipe(model="tfidf")


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "n_threads", lambda: 4)
    monkeypatch.setattr(module, "visible_gpus", lambda: ["0"])


@pytest.mark.parametrize(
    ("asked", "recipes", "device", "expected"),
    [
        ("1", [SMALL], "cpu", 1),
        ("3", [LARGE], "cpu", 3),
        ("auto", [SMALL, COUNTS], "cpu", 4),
        ("auto", [SMALL, LARGE], "cpu", 1),
        ("auto", [SMALL], "cuda", 1),
        ("1", [SMALL], "cuda", 1),
    ],
)
def test_how_many_run_at_a_time(asked: str, recipes: list[Recipe], device: str, expected: int) -> None:
    assert n_jobs(asked, recipes, device) == expected


@pytest.mark.parametrize("asked", ["0", "-1", "two", "1.5", ""])
def test_what_is_not_a_number_of_jobs_is_refused(asked: str) -> None:
    with pytest.raises(UserError, match=r"--jobs .*: use auto or a number"):
        n_jobs(asked, [SMALL], "cpu")


def test_several_gpus_do_a_run_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "visible_gpus", lambda: [str(i) for i in range(8)])
    assert n_jobs("auto", [LARGE], "cuda") == 8  # more than cores
    assert n_jobs("2", [LARGE], "cuda") == 2
    assert n_jobs("1", [LARGE], "cuda") == 1
    with pytest.raises(UserError, match="one run at a time on a GPU, of which there are 8"):
        n_jobs("9", [LARGE], "cuda")


def test_more_jobs_than_cores_or_on_a_gpu_are_refused() -> None:
    with pytest.raises(UserError, match="may use 4 of the machine"):
        n_jobs("5", [SMALL], "cpu")
    with pytest.raises(UserError, match="one run at a time on a GPU"):
        n_jobs("2", [SMALL], "cuda")


def _command(out: Path, data: Path, jobs: int) -> list[str]:
    rows = ["--only", "baseline,last-layer,tfidf", "--models", "nano", "--set", "epochs=1"]
    study = ["--data", str(data), "--seeds", "2", "--jobs", str(jobs), "--out", str(out)]
    return [sys.executable, "-m", "bench", "run", "--matrix", "quick", *rows, *study]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    lines = [f"{'buy now' if i % 2 else 'see you'} {i} {'!' * (i % 7)},{i % 2}" for i in range(80)]
    (tmp_path / "texts.csv").write_text("\n".join(["text,label", *lines, ""]))
    return tmp_path / "texts.csv"


def _outcomes(out: Path) -> dict[str, tuple[str, list[int] | None]]:
    def of(record: Record) -> tuple[str, list[int] | None]:
        return record.status, record.test.predicted if record.test else None

    return {run_id: of(record) for run_id, record in load_records(out).items()}


@pytest.mark.slow
def test_two_jobs_leave_what_one_leaves(tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    one, two = tmp_path / "one", tmp_path / "two"
    for out, jobs in ((one, 1), (two, 2)):
        done = subprocess.run(_command(out, texts, jobs), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    assert _outcomes(one) == _outcomes(two)
    records = load_records(two).values()
    assert {record.environment.jobs for record in records} == {2}
    assert {record.environment.threads for record in records} == {1}
    assert "1 thread, 2 runs at a time" in (two / "report.md").read_text()


@pytest.mark.slow
def test_an_interrupted_call_leaves_no_process_and_the_next_one_resumes(
    tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    out = tmp_path / "study"
    for sent in (signal.SIGKILL, signal.SIGINT):
        process = subprocess.Popen(
            _command(out, texts, 2), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while len(psutil.Process(process.pid).children(recursive=True)) < 3 and process.poll() is None:
            assert time.monotonic() < deadline, "no assistant came up"
            time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(sent)
        process.wait(60)
        assert not psutil.wait_procs(children, timeout=30)[1]
    done = subprocess.run(_command(out, texts, 2), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {status for status, _ in _outcomes(out).values()} == {"done"}
    assert json.loads((out / "study.json").read_text())["name"] == "study"
