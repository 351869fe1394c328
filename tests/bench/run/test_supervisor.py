"""Whatever happens to a worker process, the study goes on. Real processes, really killed."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.records.record import Record
from bench.records.scrub import TAIL_LINES
from bench.records.store import load_record, save_record
from bench.run.outcome import RefusedRunError
from bench.run.supervisor import Supervisor
from bench.run.worker import SessionSpec
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset, load_dataset
from gptcore.errors import UserError
from gptcore.methods.lora import Lora
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Epoch

NANO = Recipe(model="nano", weights="random", epochs=1, train="last_layer")
LONG = NANO.model_copy(update={"epochs": 10**6})  # ends only if it is stopped
TFIDF = Recipe(model="tfidf")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    lines = ["text,label", *(f"see you at {n},ham\nwin {n} prizes now,spam" for n in range(20))]
    path = tmp_path_factory.mktemp("data") / "messages.csv"
    path.write_text("\n".join(lines) + "\n")
    return load_dataset(path)


@pytest.fixture(scope="module")
def supervisor(data: Dataset) -> Iterator[Supervisor]:
    """One for all tests: whatever one of them does to its worker, the next finds a new one."""
    with Supervisor(SessionSpec(data, "fast", "float32", "cpu")) as supervisor:
        yield supervisor


def planned(recipe: Recipe = NANO, seed_index: int = 0, state: Any = "todo") -> PlannedRun:
    reason = "not enough memory" if state == "blocked" else None
    return PlannedRun(("row",), recipe, seed_index, Seeds(), state, reason)


def ignore(_epoch: Epoch) -> None:
    pass


def worker() -> psutil.Process:
    (found,) = multiprocessing.active_children()
    return psutil.Process(found.pid)


def end(process: psutil.Process) -> None:
    process.kill()
    for child in multiprocessing.active_children():
        child.join()


def at_first_epoch(do: Callable[[psutil.Process], object]) -> Callable[[Epoch], None]:
    return lambda epoch: do(worker()) and None if epoch.epoch == 1 else None


def run_well(supervisor: Supervisor) -> Record:
    record = supervisor.run(planned(), ignore)
    assert record.status == "done", record.reason
    return record


def test_the_worker_forecasts_and_then_runs(supervisor: Supervisor) -> None:
    probed: list[tuple[int, int]] = []
    plan = [planned(), planned(TFIDF), planned(NANO, 1, "blocked")]
    found = supervisor.forecast(plan, lambda done, n: probed.append((done, n)))
    # Each kind of classifier first, to load what it needs; both timed; both scaled to the whole data.
    assert probed == [(0, 2), (0, 2), (0, 2), (1, 2), (1, 2), (1, 2)]
    assert found.keys() == {run.run_id for run in plan[:2]}
    assert all(prediction.seconds > 0 and prediction.mem_bytes > 10**7 for prediction in found.values())
    run_well(supervisor)


def test_a_probe_that_kills_the_worker_costs_only_its_own_kind(supervisor: Supervisor) -> None:
    plan = [planned(), planned(TFIDF)]
    # Two are timed, the second of them as the last: a worker that has not died gets there once.
    found = supervisor.forecast(plan, lambda done, n: end(worker()) if (done, n) == (1, 2) else None)
    assert found.keys() == {plan[0].run_id}
    assert supervisor.forecast([planned()], lambda *_: end(worker())) == {}
    run_well(supervisor)


@pytest.mark.slow
def test_a_probe_that_hangs_is_stopped(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    run_well(supervisor)
    first = worker()

    def hang(_done: int, _n: int) -> None:
        if worker() == first:  # the next one leaves this kind out, but says so, too
            first.suspend()

    with monkeypatch.context() as patch:
        patch.setattr(supervisor, "timeout_s", 1.0)
        assert supervisor.forecast([planned()], hang) == {}
    assert worker() != first
    run_well(supervisor)


def test_runs_share_one_worker_and_its_trunks(supervisor: Supervisor, tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    first = supervisor.run(planned(), epochs.append)
    process = worker()
    second = supervisor.run(planned(seed_index=1), ignore)
    assert (first.status, second.status) == ("done", "done")
    assert [epoch.epoch for epoch in epochs] == [1]
    assert worker() == process
    assert second.cost is not None
    assert second.cost.standalone_s > second.cost.marginal_s  # borrowed the first run's trunk
    assert load_record(save_record(tmp_path, first)) == first


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        pytest.param(
            signal.SIGKILL,
            "killed (SIGKILL), as the system does to a process when memory runs out",
            marks=pytest.mark.slow,
        ),
        (signal.SIGSEGV, "crashed (Segmentation fault)"),
    ],
)
def test_a_worker_that_dies_makes_a_failed_record(
    supervisor: Supervisor, tmp_path: Path, number: signal.Signals, reason: str
) -> None:
    record = supervisor.run(planned(LONG), at_first_epoch(lambda process: process.send_signal(number)))
    assert (record.status, record.reason, record.metrics) == ("failed", reason, None)
    assert (record.environment.device, record.environment.dtype) == ("cpu", "float32")
    assert record.output_tail is not None
    assert ("Fatal Python error: Segmentation fault" in record.output_tail) == (number == signal.SIGSEGV)
    assert load_record(save_record(tmp_path, record)) == record
    well = run_well(supervisor)
    assert (well.output_tail, well.failed_s) == (None, None)


def test_a_hang_is_stopped_and_says_where_it_hung(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(supervisor, "timeout_s", 1.0)
        record = supervisor.run(planned(LONG), ignore)
    assert (record.status, record.reason) == ("failed", "timeout: stopped, as it was not done after 1 s")
    assert record.failed_s is not None
    assert record.failed_s >= 1
    assert record.output_tail is not None
    assert any(line.startswith('  File "') for line in record.output_tail)
    run_well(supervisor)


@pytest.mark.slow
def test_a_worker_that_does_not_even_answer_signals_is_stopped(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_well(supervisor)
    with monkeypatch.context() as patch:
        patch.setattr(supervisor, "timeout_s", 2.0)
        record = supervisor.run(planned(LONG), lambda _epoch: worker().suspend())
    assert record.reason == "timeout: stopped, as it was not done after 2 s"
    run_well(supervisor)


def test_a_loss_that_is_not_finite(supervisor: Supervisor) -> None:
    record = supervisor.run(planned(NANO.model_copy(update={"lr": 1e30, "epochs": 9})), ignore)
    assert record.status == "failed"
    assert record.reason is not None
    assert record.reason.startswith("FloatingPointError: the training loss is nan at step")
    assert record.output_tail is not None
    assert record.output_tail[-1] == record.reason
    assert len(record.output_tail) <= TAIL_LINES
    assert run_well(supervisor)


@pytest.mark.slow
def test_no_memory_left(supervisor: Supervisor) -> None:
    """An allocation that the system refuses. (Where it kills instead: see the test of SIGKILL.)"""
    run_well(supervisor)
    used = worker().memory_info().vms
    worker().rlimit(psutil.RLIMIT_AS, (used + 2**20, used + 2**20))
    record = supervisor.run(planned(Recipe(model="mini", weights="random", train="all")), ignore)
    assert record.status == "failed"
    assert record.reason is not None
    assert "memory" in record.reason.lower()
    assert not multiprocessing.active_children()  # what its trunks took is free for the next
    run_well(supervisor)


@pytest.fixture
def little_memory(tmp_path: Path) -> Iterator[Path]:
    """A control group (v1 or v2) whose processes may take 32 MiB more; skips where none can be made."""
    v1 = Path("/sys/fs/cgroup/memory")
    group = (v1 if v1.is_dir() else Path("/sys/fs/cgroup")) / f"bench-{tmp_path.name}-{os.getpid()}"
    limit = group / ("memory.limit_in_bytes" if v1.is_dir() else "memory.max")
    try:
        group.mkdir()
        limit.write_text(str(32 * 2**20))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    yield group
    group.rmdir()


@pytest.mark.slow
def test_the_system_kills_the_worker_as_memory_runs_out(supervisor: Supervisor, little_memory: Path) -> None:
    run_well(supervisor)
    (little_memory / "cgroup.procs").write_text(str(worker().pid))
    large = planned(Recipe(model="gpt2", weights="random", train="all"))
    record = supervisor.run(large, ignore)
    assert record.status == "failed"
    assert record.reason == "killed (SIGKILL), as the system does to a process when memory runs out"
    run_well(supervisor)


@pytest.mark.slow
def test_a_worker_that_is_killed_while_it_starts_costs_no_run(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[object] = []

    def kill_the_first_two(process: multiprocessing.Process) -> None:
        began.append(process)
        start(process)
        if len(began) < 3:
            process.kill()

    end(worker())
    start = SpawnProcess.start
    monkeypatch.setattr(SpawnProcess, "start", kill_the_first_two)
    run_well(supervisor)
    assert len(began) == 3


@pytest.mark.slow
def test_a_worker_that_died_between_runs_costs_no_run(supervisor: Supervisor) -> None:
    run_well(supervisor)
    end(worker())
    run_well(supervisor)


def test_a_run_that_lacked_memory_leaves_none_taken(supervisor: Supervisor) -> None:
    before = run_well(supervisor) and worker()
    record = supervisor.run(
        planned(NANO.model_copy(update={"train": Lora(rank=10**13), "lora_rank": 10**13})), ignore
    )
    assert (record.status, supervisor.lacked_memory) == ("failed", True)
    assert (record.reason or "").startswith("out of memory: RuntimeError")
    assert "DefaultCPUAllocator" in "".join(record.output_tail or [])
    run_well(supervisor)
    assert worker() != before
    assert not supervisor.lacked_memory


def test_a_blocked_run_is_skipped_with_its_reason(supervisor: Supervisor) -> None:
    supervisor.lacked_memory = True  # at the run before
    record = supervisor.run(planned(state="blocked"), ignore)
    assert (record.status, record.reason, record.output_tail) == ("skipped", "not enough memory", None)
    assert not supervisor.lacked_memory


def test_signals_that_reach_all_processes_do_not_stop_the_worker(supervisor: Supervisor) -> None:
    """A terminal sends Ctrl-C to both, Slurm what ends a job; the supervisor's process answers."""
    run_well(supervisor)
    process = worker()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        process.send_signal(number)
    run_well(supervisor)
    assert worker() == process


@pytest.mark.slow
def test_records_hold_no_secret(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one that the failing code itself talks about."""
    monkeypatch.setenv("HF_TOKEN", "1e+30")  # as the failure below says of the learning rate
    monkeypatch.setenv("SOME_VARIABLE", "another-sentinel")
    with Supervisor(SessionSpec(data, "fast", "float32", "cpu")) as supervisor:
        failed = supervisor.run(planned(NANO.model_copy(update={"lr": 1e30})), ignore)
        done = supervisor.run(planned(TFIDF), ignore)
    assert failed.status == "failed"
    assert failed.reason is not None
    assert "$HF_TOKEN" in failed.reason
    told = [failed.reason, *(failed.output_tail or []), done.model_dump_json()]
    assert not [text for text in told if "1e+30" in text or "sentinel" in text]


@pytest.mark.slow
def test_a_refused_run_leaves_the_worker_at_work(data: Dataset) -> None:
    with Supervisor(SessionSpec(data, "fast", "float32", "cpu")) as supervisor:
        missing = NANO.model_copy(update={"model": f"{os.sep}nowhere", "weights": "pretrained"})
        with pytest.raises(RefusedRunError, match=r"^model '/nowhere' is neither a known name"):
            supervisor.run(planned(missing), ignore)
        assert supervisor.run(planned(TFIDF), ignore).status == "done"


@pytest.mark.slow
def test_a_session_that_cannot_be_opened_is_the_users_to_fix(data: Dataset) -> None:
    with (
        Supervisor(SessionSpec(data, "fast", "auto", "no-such-device")) as supervisor,
        pytest.raises(
            UserError,
            match=r"^no worker process can start: its process ended with exit code 1: RuntimeError",
        ),
    ):
        supervisor.run(planned(), ignore)


@pytest.mark.slow
def test_the_worker_ends_with_the_supervisor(data: Dataset) -> None:
    with Supervisor(SessionSpec(data, "fast", "float32", "cpu")) as supervisor:
        before = set(multiprocessing.active_children())
        run_well(supervisor)
        (process,) = set(multiprocessing.active_children()) - before
    assert not process.is_alive()
