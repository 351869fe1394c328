"""What only a cluster does: several machines, of which some are lost. All slow: a cluster takes 10 s to start."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.records.record import Record
from bench.records.store import load_records
from bench.run.execute import execute
from bench.run.executors.local import Here
from bench.run.worker import SessionSpec
from bench.study.plan import PlannedRun
from gptcore.backbones.config import ModelConfig
from gptcore.backbones.fingerprint import checkpoint_fingerprint
from gptcore.backbones.weights import random_gpt, save_gpt
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Epoch

pytest.importorskip("ray", reason="the extra [ray] is not installed")
pytestmark = pytest.mark.slow

GATE_S = 300.0  # how long a run waits at its gate before it fails
HEAD = Recipe(model="nano", epochs=3, train="last_layer", lr=1e-3)
ROWS = (HEAD, HEAD.model_copy(update={"train": "last_block"}), Recipe(model="tfidf"))
PLAN = [PlannedRun((), recipe, seed, Seeds(), "todo") for seed in range(3) for recipe in ROWS]


@dataclass(frozen=True, eq=False)
class Gated(Dataset):
    """Data on which no run starts to compute before the file `gate` is there."""

    gate: Path | None = None

    def with_split(self, split_seed: int) -> Dataset:
        until = time.monotonic() + GATE_S
        while self.gate is not None and not self.gate.exists():
            assert time.monotonic() < until, f"nobody opened {self.gate}"
            time.sleep(0.05)
        return super().with_split(split_seed)


class AtStart:
    """A listener that does something once, when it hears of the first run that starts."""

    def __init__(self, do: Callable[[], None]) -> None:
        self.do: Callable[[], None] | None = do
        self.ended: list[str] = []
        self.retried: list[str] = []

    def start(self, run: PlannedRun) -> None:  # noqa: ARG002
        if self.do is not None:
            do, self.do = self.do, None
            do()

    def epoch(self, run: PlannedRun, epoch: Epoch) -> None: ...

    def end(self, run: PlannedRun, record: Record) -> None:  # noqa: ARG002
        self.ended.append(run.run_id)

    def retry(self, run: PlannedRun, reason: str) -> None:
        self.retried.append(f"{run.run_id}: {reason}")

    def refuse(self, run: PlannedRun, reason: str) -> None: ...
    def wait(self, runs: Sequence[PlannedRun]) -> None: ...
    def seed(self, seed_index: int) -> None: ...


@pytest.fixture(scope="module")
def spec() -> SessionSpec:
    texts = [f"{'win a prize' if i % 2 else 'see you'} at {i}" for i in range(40)]
    data = Dataset.from_texts(texts, [("ham", "spam")[i % 2] for i in range(40)])
    return SessionSpec(data, "fast", "float32", "cpu", threads=1)


@pytest.fixture(scope="module")
def expected(spec: SessionSpec, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("local")
    with Here().open(spec, folder, None) as executor:
        execute(PLAN, folder, {}, executor, AtStart(lambda: None))
    return outcomes(folder)


def outcomes(folder: Path) -> dict[str, object]:
    return {
        run_id: (record.status, record.metrics, record.test)
        for run_id, record in load_records(folder).items()
    }


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two machines of one core each, and the head, which does no runs; all of them on the loopback interface."""
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray._private import ray_constants
    from ray.cluster_utils import Cluster

    monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)  # as `RayCluster` does

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    cluster.nodes = [cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)]
    yield cluster
    cluster.shutdown()


def tasks_of(node: Any) -> list[psutil.Process]:
    """The processes of a machine that are at a job."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return [child for child in raylet.children(recursive=True) if child.name().startswith("ray::do")]


def run_on(cluster: Any, spec: SessionSpec, folder: Path, do: Callable[[], None]) -> AtStart:
    """Do the plan; when the first run has started, and before any can end, `do` is called."""
    from bench.run.executors.ray_cluster import RayCluster

    gate = folder / "gate"

    def do_and_open() -> None:
        do()
        gate.touch()

    heard = AtStart(do_and_open)
    data = Gated(**{each.name: getattr(spec.data, each.name) for each in fields(Dataset)}, gate=gate)
    spec = replace(spec, data=data)
    with RayCluster(cluster.address) as site:
        assert site.n_jobs("1", ROWS, "cpu") == 2
        with site.open(spec, folder, None) as executor:
            execute(PLAN, folder, {}, executor, heard)
    assert heard.do is None
    assert sorted(heard.ended) == sorted(run.run_id for run in PLAN)  # nothing lost, nothing twice
    return heard


@pytest.mark.parametrize(
    ("address", "remedy"), [(None, "use --executor local"), ("head:1", "with `ray start --head`")]
)
def test_a_ray_that_does_not_start_is_one_line_with_the_remedy(
    address: str | None, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    from bench.run.executors.ray_cluster import RayCluster

    def fails(**_: object) -> None:
        raise Exception("The node timed out.\nMore of it")

    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setattr(ray, "init", fails)
    monkeypatch.setattr(ray._private.ray_constants, "ENABLE_RAY_CLUSTER", False)
    with pytest.raises(UserError, match=rf"^--\w+.*The node timed out.*{remedy}") as refused:
        RayCluster(address)
    assert "\n" not in str(refused.value)


def test_two_machines_make_the_records_of_one(
    cluster: Any, spec: SessionSpec, expected: dict[str, object], tmp_path: Path
) -> None:
    run_on(cluster, spec, tmp_path, lambda: None)
    assert outcomes(tmp_path) == expected


def test_a_lost_machine_costs_no_run(
    cluster: Any, spec: SessionSpec, expected: dict[str, object], tmp_path: Path
) -> None:
    def lose() -> None:
        at_work = next(node for node in cluster.nodes if tasks_of(node))
        cluster.remove_node(at_work, allow_graceful=False)

    heard = run_on(cluster, spec, tmp_path, lose)
    assert heard.retried
    assert outcomes(tmp_path) == expected


def test_killed_worker_processes_of_ray_cost_no_run(
    cluster: Any, spec: SessionSpec, expected: dict[str, object], tmp_path: Path
) -> None:
    def kill() -> None:
        for node in cluster.nodes:
            for process in tasks_of(node):
                process.kill()

    heard = run_on(cluster, spec, tmp_path, kill)
    assert heard.retried
    assert outcomes(tmp_path) == expected


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of this process, and of the machines that are started after it."""
    monkeypatch.setenv("GPTCORE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_checkpoint_that_only_the_driver_had_reaches_every_machine(
    own_cache: Path, cluster: Any, spec: SessionSpec, tmp_path: Path
) -> None:
    """Machines of this test share a disk, so the folder is taken away once it is on its way."""
    from bench.run.executors.ray_cluster import RayCluster

    shape = ModelConfig(d_model=16, n_layer=2, n_head=2, context=16, vocab_size=8192, tokenizer="embedded")
    model = tmp_path / "mine" / "toy-gpt"
    save_gpt(random_gpt(shape, 0), model)
    digest = checkpoint_fingerprint(model)
    assert digest is not None
    spec = replace(spec, checkpoints={str(model): digest})
    recipe = HEAD.model_copy(update={"model": str(model), "train": "last_block"})
    plan = [PlannedRun((), recipe, seed, Seeds(), "todo") for seed in range(4)]
    with Here().open(spec, tmp_path / "local", None) as executor:
        execute(plan, tmp_path / "local", {}, executor, AtStart(lambda: None))
    with RayCluster(cluster.address) as site, site.open(spec, tmp_path / "ray", None) as executor:
        assert site.n_jobs("1", [recipe], "cpu") == 2
        executor.group(plan, {})  # what a driver reads of the folder, it has read by now
        shutil.move(model.parent, tmp_path / "elsewhere")
        execute(plan, tmp_path / "ray", {}, executor, AtStart(lambda: None))
    assert {status for status, *_ in outcomes(tmp_path / "ray").values()} == {"done"}
    assert outcomes(tmp_path / "ray") == outcomes(tmp_path / "local")
    for record in load_records(tmp_path / "ray").values():
        assert record.recipe.model == str(model)
        assert record.weights is not None
        assert record.weights.checkpoint == digest
    kept = [path.name for path in own_cache.rglob("*") if path.is_dir()]
    assert kept.count("toy-gpt") == 1  # once a machine, which here is one


def test_the_quick_study_is_the_same_on_two_machines(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    study = ["--matrix", "quick", "--models", "nano", "--seeds", "1", "--precision", "float32"]
    here, there = tmp_path / "here", tmp_path / "there"
    for out, where in ((here, []), (there, ["--executor", "ray", "--address", cluster.address])):
        command = [sys.executable, "-m", "bench", "run", *study, *where, "--out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(load_records(here)) == 6
    assert outcomes(there) == outcomes(here)
