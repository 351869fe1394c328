"""What a real Slurm does to jobs, and that no run is lost or recorded as failed by it. Two nodes, on this machine."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.records.store import load_records
from bench.run.execute import execute
from bench.run.executors.slurm import Slurm
from bench.run.worker import SessionSpec
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Epoch
from tests.bench.run.executors.heard import Heard
from tests.bench.run.executors.loopback_slurm import NODES, loopback_slurm

pytestmark = [pytest.mark.slow]
DATA = Dataset.from_texts(
    [f"{'win a prize' if i % 2 else 'see you'} at {i}" for i in range(40)], ["a", "b"] * 20
)
SPEC = SessionSpec(DATA, "fast", "float32", "cpu", jobs=2, threads=1)
# It takes longer than a job has to end in (KillWait), on any machine.
RUN = PlannedRun(("row",), Recipe(model="nano", epochs=1000, train="all"), 0, Seeds(), "todo")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    pytest.importorskip("submitit", reason="the extra [slurm] is not installed")
    with loopback_slurm(tmp_path_factory.mktemp("slurm")):
        yield Slurm(["timeout_min=60"])  # submitit stops a task 90 s before it


def running(field: str = "%i") -> list[str]:
    """A field of each running job, by squeue's letter for it: its number, or with %N its node."""
    asked = ["squeue", "--noheader", "--array", "--states=RUNNING", f"--format={field}"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("command", [["scontrol", "requeue"], ["scancel"]], ids=["preempted", "cancelled"])
def test_a_run_whose_job_is_taken_away_is_done_by_another(
    slurm: Slurm, tmp_path: Path, command: list[str]
) -> None:
    taken: list[str] = []

    def take_away(_epoch: Epoch) -> None:
        if not taken:
            taken.extend(running())
            subprocess.run([*command, *taken], check=True)

    heard = Heard(take_away)
    with slurm.open(SPEC, tmp_path, None) as executor:
        assert execute([RUN], tmp_path, {}, executor, heard) == {RUN.run_id: "done"}
    assert len(taken) == 1
    assert {record.status for record in load_records(tmp_path).values()} == {"done"}
    assert heard.said.count(f"start {RUN.run_id}") == 2
    lost = [said for said in heard.said if said.startswith("retry")]
    assert len(lost) == (1 if command == ["scancel"] else 0)
    assert all("state CANCELLED" in said for said in lost)


def test_a_lost_node_costs_no_run(slurm: Slurm, tmp_path: Path) -> None:
    """Both nodes are at work when one of them goes."""
    runs = [RUN, PlannedRun(RUN.rows, RUN.recipe, 1, Seeds(init=1), "todo")]
    lost: list[str] = []

    def lose(_epoch: Epoch) -> None:
        if not lost and len(at_work := running("%N")) == len(NODES):
            assert sorted(at_work) == list(NODES)
            lost.append(at_work[0])
            update = ["scontrol", "update", f"nodename={lost[0]}"]
            subprocess.run([*update, "state=down", "reason=test"], check=True)

    heard = Heard(lose)
    with slurm.open(SPEC, tmp_path, None) as executor:
        ended = execute(runs, tmp_path, {}, executor, heard)
    assert lost
    assert ended == {run.run_id: "done" for run in runs}
    assert sorted(heard.said.count(f"start {run.run_id}") for run in runs) == [1, 2]


MATRIX = """
name = "mine"
row = [
    { name = "head", set = { train = "last_layer" } },
    { name = "tfidf", set = { model = "tfidf" } },
]
"""
N_RUNS = 18  # three rows, six seeds each


def start(folder: Path) -> subprocess.Popen[str]:
    """The whole command, as somebody types it on a machine that may submit jobs."""
    study = ["--matrix", "mine.toml", "--models", "nano", "--data", "messages.csv", "--device", "cpu"]
    more = ["--precision", "float32", "--set", "epochs=1", "--seeds", "6", "--out", "out"]
    slurm = ["--executor", "slurm", "--slurm", "timeout_min=60", "--slurm", "array_parallelism=2"]
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "run", *study, *more, *slurm],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def of_runs(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (folder / "out" / "runs").glob("[!.]*.json")}


def test_the_whole_command_goes_on_after_its_driver_was_killed_or_interrupted(
    slurm: Slurm, tmp_path: Path
) -> None:
    del slurm  # whose daemons are all that is needed
    rows = [f"see you at {n} then,ham\nwin {n} free prizes now,spam" for n in range(20)]
    (tmp_path / "messages.csv").write_text("\n".join(["text,label", *rows, ""]))
    (tmp_path / "mine.toml").write_text(MATRIX)
    kept: dict[Path, bytes] = {}
    for sent in (signal.SIGKILL, signal.SIGINT):
        process = start(tmp_path)
        assert process.stdout is not None
        assert process.stdout.readline()  # it has begun
        while len(of_runs(tmp_path)) <= len(kept) < N_RUNS and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(sent)
        said, _ = process.communicate(timeout=120)
        if sent == signal.SIGKILL:
            assert process.returncode == -sent, said
        else:  # jobs of the killed driver go on, and may have done all of the study by now
            assert process.returncode in (0, 130), said
        kept |= {path: found for path, found in of_runs(tmp_path).items() if path not in kept}
        assert kept
    last = start(tmp_path)
    said, _ = last.communicate(timeout=300)
    assert last.returncode == 0, said
    found = of_runs(tmp_path)
    assert len(found) == N_RUNS
    assert {path: found[path] for path in kept} == kept  # nothing was done twice
    assert {record.status for record in load_records(tmp_path / "out").values()} == {"done"}
    assert (tmp_path / "out" / "report.md").exists()
