"""Drivers that are killed, and two at one folder, where workers are not the driver's children. All slow."""

import os
import pickle
import select
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bench.records.store import load_records
from tests.bench.run.executors.drive import PLAN

pytestmark = pytest.mark.slow
RUNS = sorted(run.run_id for run in PLAN)


def start(name: str, folder: Path) -> subprocess.Popen[str]:
    """A driver whose cluster is there, and that waits for `go`."""
    pytest.importorskip(
        "submitit" if name == "slurm" else name, reason=f"the extra [{name}] is not installed"
    )
    driver = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.run.executors.drive", name, str(folder)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path]),
            "OMP_NUM_THREADS": "2",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert driver.stdout is not None
    said = []
    while "ready\n" not in said:
        said.append(driver.stdout.readline())
        assert said[-1], "".join(said)  # it has ended
    return driver


def go(driver: subprocess.Popen[str]) -> None:
    """Let it do its plan."""
    assert driver.stdin is not None
    driver.stdin.write("\n")
    driver.stdin.flush()


def finish(driver: subprocess.Popen[str]) -> list[str]:
    """The runs that it has started, once it has ended."""
    said, _ = driver.communicate(timeout=300)
    assert driver.returncode == 0, said
    return [line.removeprefix("start ") for line in said.splitlines() if line.startswith("start ")]


@pytest.mark.parametrize("name", ["ray", "slurm"])
def test_two_drivers_at_one_folder_do_nothing_twice(name: str, tmp_path: Path) -> None:
    drivers = [start(name, tmp_path) for _ in range(2)]
    for driver in drivers:
        go(driver)
    started = [finish(driver) for driver in drivers]
    assert sorted(started[0] + started[1]) == RUNS
    assert {run_id: record.status for run_id, record in load_records(tmp_path).items()} == dict.fromkeys(
        RUNS, "done"
    )


def test_after_a_killed_driver_the_same_command_resumes(tmp_path: Path) -> None:
    with start("slurm", tmp_path) as driver:
        go(driver)
        while not (kept := {path: path.read_bytes() for path in (tmp_path / "runs").glob("[!.]*.json")}):
            assert driver.poll() is None
            select.select([], [], [], 0.05)
        driver.send_signal(signal.SIGKILL)
    again = start("slurm", tmp_path)
    go(again)
    assert len(finish(again)) < len(RUNS)  # tasks of the first may have gone on
    assert {path: path.read_bytes() for path in kept} == kept
    records = load_records(tmp_path)
    assert {run_id: record.status for run_id, record in records.items()} == dict.fromkeys(RUNS, "done")


class Trap:
    """Whoever unpickles it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_pickles_that_others_left_in_the_folder_are_not_read(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    trap = pickle.dumps(Trap(sprung))
    for name in ("foreign.pkl", "0123456789ab.pkl", "7/7_0_result.pkl", "7/7_submitted.pkl"):
        path = tmp_path / "slurm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(trap)
    driver = start("slurm", tmp_path)
    go(driver)
    assert sorted(finish(driver)) == RUNS
    assert not sprung.exists()
    pickle.loads(trap)
    assert sprung.exists()  # it would have sprung


def test_without_an_address_ray_listens_on_loopback_alone(tmp_path: Path) -> None:
    driver = start("ray", tmp_path)
    go(driver)
    heard: set[tuple[str, str]] = set()
    while driver.poll() is None:
        for process in [psutil.Process(driver.pid), *psutil.Process(driver.pid).children(recursive=True)]:
            try:
                found = process.net_connections("inet")
                heard |= {
                    (process.name(), each.laddr.ip) for each in found if each.status == psutil.CONN_LISTEN
                }
            except psutil.Error:
                continue
        select.select([], [], [], 0.5)
    assert finish(driver)
    assert {"gcs_server", "raylet"} <= {name for name, _ in heard}
    assert {ip for _, ip in heard} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, heard
