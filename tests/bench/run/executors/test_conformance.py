"""What every executor must do. A new one is one more entry in `SITES`, and passes all of this.

Real processes: workers and machines are really killed. The toy study: five runs on 40 texts.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest

from bench.records.record import Record
from bench.records.store import load_records
from bench.run.execute import execute
from bench.run.executors.base import Executor, Site
from bench.run.executors.local import Here
from bench.run.outcome import RefusedRunError
from bench.run.runner import open_session, run_one
from bench.run.worker import SessionSpec
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset
from gptcore.locks import is_held
from gptcore.methods.lora import Lora
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Epoch
from gptcore.training.distributed import KILLED
from tests.bench.run.executors.heard import Heard
from tests.bench.run.executors.loopback_slurm import loopback_slurm

HEAD = Recipe(model="nano", epochs=1, train="last_layer", lr=1e-3)
BLOCK = HEAD.model_copy(update={"train": "last_block"})
TFIDF = Recipe(model="tfidf")
FAILS = HEAD.model_copy(update={"lr": 1e30, "epochs": 9})
LONG = HEAD.model_copy(update={"epochs": 10**6})  # ends only if it is stopped
HUGE = HEAD.model_copy(
    update={"train": Lora(rank=10**13), "lora_rank": 10**13}
)  # no machine has memory for it
MISSING = HEAD.model_copy(update={"model": f"{os.sep}nowhere"})


SETTINGS = ["timeout_min=10", "array_parallelism=2"]  # of Slurm


def ray_here() -> Site:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    from bench.run.executors.ray_cluster import RayCluster

    return RayCluster(None)


def slurm_here() -> Site:
    """Its tasks as processes of this machine: submitit's own stand-in for a cluster."""
    pytest.importorskip("submitit", reason="the extra [slurm] is not installed")
    from bench.run.executors.slurm import Slurm

    return Slurm(SETTINGS, cluster="local")


@contextmanager
def slurm_cluster() -> Iterator[Site]:
    """A real controller and a real node, on loopback."""
    pytest.importorskip("submitit", reason="the extra [slurm] is not installed")
    from bench.run.executors.slurm import Slurm

    with TemporaryDirectory() as folder, loopback_slurm(Path(folder)), Slurm(SETTINGS) as site:
        yield site


SITES: dict[str, Callable[[], AbstractContextManager[Site]]] = {
    "local": Here,
    "ray": ray_here,
    "slurm": slurm_here,
    "slurm-cluster": slurm_cluster,
}
OPTIONS = {"local": ["--jobs", "2"], "ray": []}  # of the command line
_SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("ray", "slurm", "slurm-cluster")]
EXECUTORS = ["local", *_SLOW]


def planned(recipe: Recipe, seed_index: int = 0, state: Any = "todo") -> PlannedRun:
    reason = "not enough memory" if state == "blocked" else None
    return PlannedRun((str(recipe.train),), recipe, seed_index, Seeds(), state, reason)


PLAN = [planned(HEAD), planned(BLOCK), planned(TFIDF), planned(HEAD, 1), planned(BLOCK, 1, "blocked")]


@pytest.fixture(scope="module")
def data() -> Dataset:
    texts = [f"{'win a prize' if i % 2 else 'see you'} at {i}" for i in range(40)]
    return Dataset.from_texts(texts, [("ham", "spam")[i % 2] for i in range(40)])


@pytest.fixture(scope="module", params=EXECUTORS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "2")
        with SITES[request.param]() as site:
            assert site.n_jobs("1", [HEAD], "cpu") in (1, 2)
            yield site


@pytest.fixture(scope="module")
def spec(data: Dataset) -> SessionSpec:
    return SessionSpec(data, "fast", "float32", "cpu", jobs=2, threads=1)


@pytest.fixture(scope="module")
def executor(site: Site, spec: SessionSpec, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    """One for the tests that leave its workers as they are."""
    with site.open(spec, tmp_path_factory.mktemp("study"), None) as executor:
        yield executor


@pytest.fixture
def study(executor: Executor, tmp_path: Path) -> Path:
    """An empty folder that the executor serves: its own where it writes there."""
    if not executor.shares_folder:
        return tmp_path
    for path in (executor.folder / "runs").glob("*"):
        path.unlink()
    return executor.folder


def outcome(record: Record) -> tuple[object, ...]:
    return record.status, record.reason, record.metrics, record.test


def test_records_are_those_of_one_process(
    executor: Executor, data: Dataset, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "WANDB_API_KEY", "SOME_VARIABLE"):
        monkeypatch.setenv(name, "hidden-by-the-driver")
    heard = Heard()
    ended = execute(PLAN, study, {}, executor, heard)
    session = open_session(data, "fast", "float32", "cpu")
    expected = {run.run_id: outcome(run_one(run, session)) for run in PLAN}
    found = load_records(study)
    assert {run_id: outcome(record) for run_id, record in found.items()} == expected
    assert ended == {run_id: record.status for run_id, record in found.items()}
    assert {record.environment.threads for record in found.values()} == {1}
    for record in found.values():
        assert executor.environment(record.recipe) in (record.environment, None)
    assert list((study / "locks").iterdir()) == []
    for run in PLAN[:4]:
        done = [f"start {run.run_id}", *([f"epoch {run.run_id}"] * (run.recipe.trainer == "network"))]
        assert [said for said in heard.said if run.run_id in said] == [*done, f"done {run.run_id}"]
    files = [path for path in study.rglob("*") if path.is_file()]
    assert not [path for path in files if b"hidden-by" in path.read_bytes()]
    results = [path for path in files if path.parent.name in ("runs", "events")]
    assert len(results) > len(PLAN)
    assert not [path for path in results if f'"{os.uname().nodename}"' in path.read_text()]


def test_what_is_done_is_not_done_again(executor: Executor, study: Path) -> None:
    execute(PLAN[:2], study, {}, executor, Heard())
    first = load_records(study)
    heard = Heard()
    execute(PLAN[:3], study, {}, executor, heard)
    assert {said for said in heard.said if said.startswith("start")} == {f"start {PLAN[2].run_id}"}
    assert {run_id: load_records(study)[run_id] for run_id in first} == first


def test_a_failing_run_is_a_record_and_the_others_go_on(executor: Executor, study: Path) -> None:
    plan = [planned(FAILS), planned(TFIDF)]
    assert execute(plan, study, {}, executor, Heard()) == {plan[0].run_id: "failed", plan[1].run_id: "done"}
    failed = load_records(study)[plan[0].run_id]
    assert (failed.reason or "").startswith("FloatingPointError: the training loss is nan")
    assert failed.output_tail


def test_without_memory_a_run_is_tried_once_more_and_is_then_a_record(
    executor: Executor, study: Path
) -> None:
    plan, heard = [planned(HUGE), planned(TFIDF)], Heard()
    assert execute(plan, study, {}, executor, heard) == {plan[0].run_id: "failed", plan[1].run_id: "done"}
    assert (load_records(study)[plan[0].run_id].reason or "").startswith("out of memory: RuntimeError")
    assert len([said for said in heard.said if said.startswith(f"start {plan[0].run_id}")]) == 2
    (tried_again,) = [said for said in heard.said if said.startswith("retry")]
    assert tried_again.startswith(f"retry {plan[0].run_id}: out of memory")


def test_a_refused_run_leaves_no_record_and_the_others_go_on(executor: Executor, study: Path) -> None:
    heard = Heard()
    with pytest.raises(RefusedRunError, match="'/nowhere' is neither a known name"):
        execute([planned(MISSING), planned(TFIDF)], study, {}, executor, heard)
    assert [record.recipe.model for record in load_records(study).values()] == ["tfidf"]
    assert any(said.startswith(f"refuse {planned(MISSING).run_id}") for said in heard.said)


def test_forecasts_are_made_where_runs_are_done(executor: Executor) -> None:
    found = executor.forecast(PLAN[:3], lambda *_: None)
    elsewhere = executor.environment(HEAD) is None  # nothing can be measured before a task runs
    assert found.keys() == (set() if elsewhere else {run.run_id for run in PLAN[:3]})


def test_a_run_that_takes_too_long_fails(site: Site, spec: SessionSpec, tmp_path: Path) -> None:
    with site.open(spec, tmp_path, 2.0) as executor:
        execute([planned(LONG)], tmp_path, {}, executor, Heard())
    (record,) = load_records(tmp_path).values()
    assert (record.status, record.reason) == ("failed", "timeout: stopped, as it was not done after 2 s")


def workers(pid: int | None = None) -> list[psutil.Process]:
    """The processes that compute, wherever below this process, or that one, or by its own Slurm they were started."""
    found = []
    for process in [*psutil.Process(pid).children(recursive=True), *in_slurm()]:
        with suppress(psutil.Error):
            if "spawn_main" in " ".join(process.cmdline()):
                found.append(process)
    return found


def in_slurm() -> list[psutil.Process]:
    """All processes of the jobs of the Slurm that `SLURM_CONF` names; they are children of no test."""
    if "SLURM_CONF" not in os.environ:
        return []
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            of = process.environ()
            if "SLURM_JOB_ID" in of and of.get("SLURM_CONF") == os.environ["SLURM_CONF"]:
                found.append(process)
    return found


def kill_workers() -> None:
    for process in workers():
        with suppress(psutil.Error):
            process.kill()


def test_a_killed_worker_is_tried_again(site: Site, spec: SessionSpec, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_once(epoch: Epoch) -> None:
        if not killed:
            killed.append(epoch.epoch)
            kill_workers()

    long = planned(HEAD.model_copy(update={"epochs": 500}))
    heard = Heard(kill_once)
    with site.open(spec, tmp_path, None) as executor:
        assert execute([long], tmp_path, {}, executor, heard) == {long.run_id: "done"}
    assert len([said for said in heard.said if said.startswith(f"start {long.run_id}")]) == 2
    assert [said for said in heard.said if "retry" in said] == [f"retry {long.run_id}: {KILLED}"]
    assert {run_id: found.status for run_id, found in load_records(tmp_path).items()} == {long.run_id: "done"}


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_fails(site: Site, spec: SessionSpec, tmp_path: Path) -> None:
    heard = Heard(lambda epoch: kill_workers() if epoch.epoch == 1 else None)
    with site.open(spec, tmp_path, None) as executor:
        execute([planned(LONG)], tmp_path, {}, executor, heard)
        (record,) = load_records(tmp_path).values()
        assert (record.status, record.reason) == ("failed", KILLED)
        ended = execute([planned(TFIDF)], tmp_path, {}, executor, Heard())
    assert list(ended.values()) == ["done"]


# submitit's stand-in for a cluster does not wait for the processes that it cancels
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupted_it_leaves_whole_records_no_lock_and_no_process(
    site: Site, spec: SessionSpec, tmp_path: Path
) -> None:
    there: list[psutil.Process] = []

    def interrupt(_epoch: Epoch) -> None:
        there.extend({*workers(), *in_slurm()})
        raise KeyboardInterrupt

    with site.open(spec, tmp_path, None) as executor:
        execute([planned(TFIDF)], tmp_path, {}, executor, Heard())
        with pytest.raises(KeyboardInterrupt):
            execute([planned(LONG)], tmp_path, {}, executor, Heard(interrupt))
    assert there
    assert not psutil.wait_procs(there, timeout=20)[1]
    assert [record.recipe.model for record in load_records(tmp_path).values()] == ["tfidf"]
    assert not list(tmp_path.rglob("*.part"))
    assert is_held(tmp_path, planned(LONG).run_id) is False


COMMAND = ["--matrix", "mine.toml", "--models", "nano", "--data", "messages.csv", "--device", "cpu"]
MATRIX = """
name = "mine"
row = [
    { name = "head", set = { train = "last_layer" } },
    { name = "tfidf", set = { model = "tfidf" } },
]
"""


def start(folder: Path, name: str) -> subprocess.Popen[str]:
    options = [
        "--precision",
        "float32",
        "--set",
        "epochs=1",
        "--seeds",
        "6",
        "--executor",
        name,
        "--out",
        "out",
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "run", *COMMAND, *options, *OPTIONS[name]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def n_records(folder: Path) -> int:
    return len(list((folder / "out" / "runs").glob("[!.]*.json")))


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_a_killed_driver_and_an_interrupted_one_resume_and_do_nothing_twice(
    tmp_path: Path, name: str
) -> None:
    rows = [f"see you at {n} then,ham\nwin {n} free prizes now,spam" for n in range(20)]
    (tmp_path / "messages.csv").write_text("\n".join(["text,label", *rows, ""]))
    (tmp_path / "mine.toml").write_text(MATRIX)
    kept: dict[Path, bytes] = {}
    for sent in (signal.SIGKILL, signal.SIGINT):
        process, before = start(tmp_path, name), len(kept)
        while n_records(tmp_path) <= before and process.poll() is None:
            select.select([], [], [], 0.05)
        children = workers(process.pid)
        process.send_signal(sent)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == (130 if sent == signal.SIGINT else -sent), said
        assert not psutil.wait_procs(children, timeout=60)[1], said
        for path in (tmp_path / "out" / "runs").glob("*.json"):
            kept.setdefault(path, path.read_bytes())
        assert before < len(kept) < 18
    last = start(tmp_path, name)
    said, _ = last.communicate(timeout=300)
    assert last.returncode == 0, said
    assert {path: path.read_bytes() for path in kept} == kept
    records = load_records(tmp_path / "out")
    assert len(records) == 18
    assert {record.status for record in records.values()} == {"done"}
