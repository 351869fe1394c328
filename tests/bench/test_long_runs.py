"""What happens to long runs, happening for real: kills, Ctrl-C, a second process, a full disk, a read-only folder."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.records.record import Record
from bench.records.store import load_record, load_records

EXCLUDED = {"cost": True, "created_at": True, "curves": True, "environment": {"git_sha", "git_dirty"}}
ROWS = [f"see you at {n} then,ham\nwin {n} free prizes now,spam" for n in range(20)]
MATRIX = """
name = "mine"
row = [
    { name = "first", set = { position = "first" } },
    { name = "head", set = { train = "last_layer" } },
    { name = "tfidf", set = { model = "tfidf" } },
]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a user is: with messages.csv and mine.toml."""
    (tmp_path / "messages.csv").write_text("\n".join(["text,label", *ROWS, ""]))
    (tmp_path / "mine.toml").write_text(MATRIX)
    return tmp_path


def start(folder: Path, *more: str, out: str = "study") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench", "run", "--matrix", "mine.toml", "--models", "nano"]
    command += ["--data", "messages.csv", "--precision", "float32", "--set", "epochs=1", "--out", out, *more]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = process.communicate(timeout=120)
    return process.returncode, out


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, finish(process)
        time.sleep(0.01)


def kill(study: subprocess.Popen[str], victim: str) -> str:
    """Kill a study's supervisor, or its worker; without a worker the supervisor. Returns which."""
    if victim == "worker":
        for child in psutil.Process(study.pid).children():
            with contextlib.suppress(psutil.Error):
                if "spawn_main" in " ".join(child.cmdline()):  # not multiprocessing's resource tracker
                    child.kill()
                    return victim
    study.kill()
    study.wait()
    return "supervisor"


def n_records(folder: Path) -> int:
    return len(list((folder / "study" / "runs").glob("[!.]*.json")))


def outcome(record: Record) -> dict[str, Any]:
    """All but times, and the state of a checkout that somebody may be working on meanwhile."""
    curves = record.curves
    assert curves is not None
    return record.model_dump(exclude=EXCLUDED) | {
        "losses": curves.losses,
        "epochs": [epoch.model_dump(exclude={"train_s"}) for epoch in curves.epochs],
    }


def outcomes(study: Path) -> dict[str, dict[str, Any]]:
    return {run_id: outcome(record) for run_id, record in load_records(study).items()}


@pytest.mark.slow
def test_killed_at_any_instant_it_continues_and_two_share_the_work(folder: Path) -> None:
    seeds = ("--seeds", "8")
    killed = start(folder, *seeds)
    workers = psutil.Process(killed.pid).children
    wait_for(lambda: n_records(folder) >= 5, killed)
    left = workers()
    killed.kill()
    killed.communicate()
    _, alive = psutil.wait_procs(left, timeout=20)
    assert not alive  # the worker has no one to work for
    kept = {path: path.read_bytes() for path in (folder / "study" / "runs").glob("*.json")}
    assert 5 <= len(kept) < 32
    assert {record.status for record in load_records(folder / "study").values()} == {"done"}

    two = [start(folder, *seeds), start(folder, *seeds)]
    for code, out in map(finish, two):
        assert code == 0, out
        assert f"{32 - len(kept)} runs to do, {len(kept)} done" in out
    assert {path: path.read_bytes() for path in kept} == kept
    records = outcomes(folder / "study")
    assert len(records) == 32
    assert finish(start(folder, *seeds, out="undisturbed"))[0] == 0
    assert records == outcomes(folder / "undisturbed")
    names = {path.name for path in (folder / "study").iterdir()}
    assert names == {"study.json", "runs", "report.md", "report.html", "summary.csv", "plots", "locks"}
    summary, report = (folder / "study" / name for name in ("summary.csv", "report.md"))
    assert len(summary.read_text().splitlines()) == 1 + 32
    assert report.read_text().endswith("\n")


@pytest.mark.slow
def test_soak_200_runs_with_random_kills(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Supervisors and workers are killed at random moments; what is there in the end is as if none had been."""
    chance, began = random.Random(0), time.monotonic()
    kept: dict[Path, bytes] = {}
    killed = {"supervisor": 0, "worker": 0}
    soaked = start(folder, "--seeds", "50")
    while sum(killed.values()) < 25:
        time.sleep(chance.uniform(0.0, 8.0))
        if soaked.poll() is None:
            killed[kill(soaked, chance.choice(["supervisor", "worker"]))] += 1
        if soaked.poll() is not None:
            code, out = finish(soaked)
            assert code in (0, 1, -signal.SIGKILL), out
            if code == 0:
                break
            soaked = start(folder, "--seeds", "50", "--retry-failed")
        for path in (folder / "study" / "runs").glob("*.json"):
            if load_record(path).status == "done":
                assert kept.setdefault(path, path.read_bytes()) == path.read_bytes()
    if finish(soaked)[0] != 0:  # a run that lost its worker has failed, and is asked for again
        code, out = finish(start(folder, "--seeds", "50", "--retry-failed"))
        assert code == 0, out
    with capsys.disabled():
        print(f"\nsoak: 200 runs in {time.monotonic() - began:.0f} s, killed: {killed}")
    assert min(killed.values()) >= 3
    assert {path: path.read_bytes() for path in kept} == kept
    assert finish(start(folder, "--seeds", "50", out="undisturbed"))[0] == 0
    records = outcomes(folder / "study")
    assert len(records) == 200
    assert records == outcomes(folder / "undisturbed")


@pytest.mark.slow
def test_ctrl_c_stops_at_once_and_keeps_what_is_done(folder: Path) -> None:
    interrupted = start(folder, "--seeds", "100")
    wait_for(lambda: n_records(folder) >= 3, interrupted)
    os.killpg(interrupted.pid, signal.SIGINT)  # as a terminal does: to the worker too
    code, out = finish(interrupted)
    assert code == 130, out
    assert "the same command resumes" in out
    assert "Traceback" not in out
    records = load_records(folder / "study").values()
    assert 3 <= len(records) < 400
    assert {record.status for record in records} == {"done"}
    assert (folder / "study" / "report.md").exists()


@contextlib.contextmanager
def small_disk(at: Path, n_bytes: int, *options: str) -> Iterator[None]:
    """A file system of its own, in memory."""
    at.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", ",".join([f"size={n_bytes}", *options]), "tmpfs", str(at)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(at)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_costs_no_finished_run(folder: Path) -> None:
    with small_disk(folder / "study", 40 * 1024):
        code, out = finish(start(folder, "--seeds", "8"))
        assert code == 2, out
        assert out.splitlines()[-1].startswith("error: cannot write study/")
        assert "No space left on device" in out
        assert "Traceback" not in out
        records = load_records(folder / "study")  # none is half written
        assert records
        assert {record.status for record in records.values()} == {"done"}
        assert not list((folder / "study").rglob("*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["local", "ray"])
def test_a_full_disk_of_a_worker_costs_nothing_but_its_cache(
    folder: Path, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """States of frozen blocks do not fit on it: they are computed in memory, and answers are the same."""
    if executor == "ray":
        pytest.importorskip("ray", reason="the extra [ray] is not installed")
    code, out = finish(start(folder, "--seeds", "2", out="expected"))
    assert code == 0, out
    with small_disk(folder / "cache", 64 * 1024):
        with contextlib.suppress(OSError), (folder / "cache" / "filler").open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        monkeypatch.setenv("GPTCORE_CACHE", str(folder / "cache"))
        code, out = finish(start(folder, "--seeds", "2", "--executor", executor))
    assert code == 0, out
    assert "Traceback" not in out
    expected = load_records(folder / "expected")
    found = load_records(folder / "study")
    assert len(found) == len(expected) == 8
    assert {name: record.model_dump(exclude=EXCLUDED) for name, record in found.items()} == {
        name: record.model_dump(exclude=EXCLUDED) for name, record in expected.items()
    }


def test_a_read_only_folder_is_one_line(folder: Path) -> None:
    with small_disk(folder / "study", 2**20, "ro"):
        code, out = finish(start(folder, "--seeds", "1"))
    assert code == 2
    assert out.splitlines()[-1] == (
        "error: cannot write study/study.json (Read-only file system): make room or the folder writable"
    )
    assert "Traceback" not in out
