"""Runs of several processes: equal to those of one, refused where they would not be, and never a hang. With gloo."""

import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file

from bench.evidence.results import collect
from bench.records.record import Environment, Record
from bench.records.study import Row, Study
from bench.run import together as module
from bench.run.environment import differences
from bench.run.executors.local import Here, LocalExecutor
from bench.run.keep import keep
from bench.run.options import RunOptions
from bench.run.outcome import RefusedRunError
from bench.run.runner import open_session, run_one
from bench.run.supervisor import Supervisor
from bench.run.together import check_nproc
from bench.run.worker import SessionSpec
from bench.study.plan import PlannedRun
from gptcore.classifier import TextClassifier
from gptcore.data.datasets import Dataset
from gptcore.errors import UserError
from gptcore.recipe import Recipe, Seeds
from gptcore.result import Epoch

LORA = Recipe(model="nano", train="lora", lora_rank=1, epochs=2, lr=1e-3, position="last_real")
ALL = Recipe(model="nano", train="all")
LONG = LORA.model_copy(update={"epochs": 10**6})  # ends only if it is stopped
TEXTS = [f"see you at {n}" for n in range(20)] + [f"win {n} prizes now" for n in range(20)]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return Dataset.from_texts(TEXTS, ["ham"] * 20 + ["spam"] * 20)


@pytest.fixture(scope="module")
def spec(data: Dataset) -> SessionSpec:
    return SessionSpec(data, "fast", "float32", "cpu", threads=1, measures_serving=False, nproc=2)


@pytest.fixture(scope="module")
def supervisor(spec: SessionSpec) -> Iterator[Supervisor]:
    with Supervisor(spec) as supervisor:
        yield supervisor


def planned(recipe: Recipe = LORA, state: Any = "todo") -> PlannedRun:
    return PlannedRun(("lora",), recipe, 0, Seeds(), state)


@pytest.fixture(scope="module")
def run(supervisor: Supervisor) -> tuple[Record, list[Epoch]]:
    epochs: list[Epoch] = []
    return supervisor.run(planned(), epochs.append), epochs


def test_a_run_of_two_processes_has_the_record_of_one(run: tuple[Record, list[Epoch]], data: Dataset) -> None:
    (found, epochs), alone = run, run_one(planned(), open_session(data, "fast", "float32", "cpu"))
    assert found.status == "done", found.reason
    assert found.run_id == alone.run_id
    assert found.test and alone.test and found.curves and alone.curves and found.cost and alone.cost  # noqa: PT018
    assert found.test.predicted == alone.test.predicted
    np.testing.assert_allclose(found.test.probabilities, alone.test.probabilities, atol=1e-5)
    assert [p.loss for p in found.curves.losses] == pytest.approx([p.loss for p in alone.curves.losses])
    assert found.padding == alone.padding
    assert found.parameters == alone.parameters
    assert [epoch.epoch for epoch in epochs] == [1, 2]
    assert (found.environment.nproc, alone.environment.nproc) == (2, 1)
    assert found.cost.serving is None  # timed in one process it would not be what several take
    assert alone.cost.tokens_processed is not None
    assert found.cost.tokens_processed is not None
    # Of all processes together, with the rows that fill up.
    assert alone.cost.tokens_processed <= found.cost.tokens_processed < 1.5 * alone.cost.tokens_processed
    assert found.cost.phases["start"] > 0
    assert sum(found.cost.phases.values()) == pytest.approx(found.cost.marginal_s, abs=1e-3)


@pytest.mark.slow
def test_its_classifier_is_kept_and_opened_as_any_other(
    run: tuple[Record, list[Epoch]], data: Dataset, toy_study: Callable[..., Study], tmp_path: Path
) -> None:
    record = run[0]
    study = toy_study([Row(name="lora", recipe=LORA)], seeds=[record.seeds], dataset=record.dataset)
    kept = keep("lora", collect(study, [record]), data, tmp_path, "cpu")
    assert kept.n_equal == kept.n_test == len(data.test)
    assert sorted(path.name for path in kept.folder.iterdir()) == [
        "classifier.json",
        "classifier.safetensors",
    ]
    classifier = TextClassifier.load(kept.folder)
    assert record.test is not None
    found = classifier.predict_proba(data.test.texts)
    np.testing.assert_allclose(found, record.test.probabilities, atol=1e-5)
    classifier.save(tmp_path / "again")
    ours, theirs = (
        load_file(folder / "classifier.safetensors") for folder in (tmp_path / "again", kept.folder)
    )
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


def members(worker: multiprocessing.process.BaseProcess) -> list[psutil.Process]:
    """The processes that compute the run of a worker."""
    return [p for p in psutil.Process(worker.pid).children() if "spawn_main" in " ".join(p.cmdline())]


def test_a_process_that_is_killed_makes_a_failed_record_and_the_next_run_goes_on(
    supervisor: Supervisor,
) -> None:
    seen: list[psutil.Process] = []

    def kill(epoch: Epoch) -> None:
        if epoch.epoch == 1:
            (worker,) = multiprocessing.active_children()
            seen.extend(members(worker))
            seen[-1].kill()

    found = supervisor.run(planned(LONG), kill)
    assert found.status == "failed"
    assert found.reason is not None
    assert "of 2: killed (SIGKILL)" in found.reason
    assert found.environment.nproc == 2
    assert len(seen) == 2
    assert not any(process.is_running() and process.status() != "zombie" for process in seen)
    with pytest.raises(RefusedRunError, match="/no/such/model"):
        supervisor.run(planned(LORA.model_copy(update={"model": "/no/such/model"})), lambda _: None)


@pytest.mark.slow
def test_no_process_is_left_where_the_worker_dies(spec: SessionSpec) -> None:
    seen: list[psutil.Process] = []
    others = set(multiprocessing.active_children())

    def kill(epoch: Epoch) -> None:
        if epoch.epoch == 1:
            (worker,) = set(multiprocessing.active_children()) - others
            seen.extend(members(worker))
            worker.kill()

    with Supervisor(spec) as supervisor:
        assert supervisor.run(planned(LONG), kill).status == "failed"
    assert len(seen) == 2
    _, alive = psutil.wait_procs(seen, timeout=10)
    assert not alive


def study_run(*runs: PlannedRun, device: str = "cpu", trials: tuple[PlannedRun, ...] = ()) -> Any:
    return SimpleNamespace(plan=list(runs), trials=trials, device=device)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "n_threads", lambda: 2)


def test_rows_that_can_and_others_that_are_done_are_allowed() -> None:
    done = planned(Recipe(model="nano"), "done")
    check_nproc(2, study_run(planned(), planned(ALL), done), RunOptions(), verify=False)
    check_nproc(1, study_run(planned(Recipe(model="nano"))), RunOptions(engine="plain"), verify=True)
    check_nproc(8, study_run(planned(), device="cuda"), RunOptions(), verify=False)


@pytest.mark.parametrize(
    ("nproc", "runs", "options", "says"),
    [
        (
            2,
            study_run(planned(Recipe(model="nano"))),
            RunOptions(),
            "row 'lora': train = last_block: its frozen",
        ),
        (2, study_run(trials=(planned(Recipe(model="tfidf")),)), RunOptions(), "row 'lora': model = 'tfidf'"),
        (2, study_run(planned()), RunOptions(engine="plain"), "the plain engine"),
        (2, study_run(planned()), RunOptions(precision="bfloat16"), "rounded copies"),
        (3, study_run(planned()), RunOptions(), "this program may use 2 of the machine's cores"),
    ],
)
def test_what_several_processes_would_not_do_is_refused(
    nproc: int, runs: Any, options: RunOptions, says: str
) -> None:
    with pytest.raises(UserError, match=rf"^--nproc {nproc}: {says}"):
        check_nproc(nproc, runs, options, verify=False)


def test_verify_is_refused() -> None:
    with pytest.raises(UserError, match=r"^--nproc 2: --verify needs the whole model"):
        check_nproc(2, study_run(planned()), RunOptions(), verify=True)


def test_this_machine_divides_its_cores_and_does_one_run_at_a_time(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.run.executors.local.n_threads", lambda: 4)
    here = Here(nproc=2)
    assert here.n_jobs("auto", [], "cpu") == here.n_jobs("1", [], "cuda") == 1
    with pytest.raises(UserError, match=r"^--jobs 2: one run at a time with --nproc 2"):
        here.n_jobs("2", [], "cpu")
    assert here.threads(1) == 2
    spec = SessionSpec(data, "fast", "auto", "cpu")
    executor = here.open(spec, tmp_path, None)
    assert executor.spec == replace(spec, precision="float32", measures_serving=False, nproc=2)
    assert executor.forecast([planned()], lambda *_: None) == {}
    assert isinstance(executor, LocalExecutor)


def test_other_numbers_of_processes_are_other_conditions(toy_record: Callable[..., Record]) -> None:
    one: Environment = toy_record().environment
    two = one.model_copy(update={"nproc": 2})
    assert differences([(one, two)]) == ["processes per run 1, here 2"]
    assert two.machine != one.machine
    assert "in each of 2 processes" in two.processor
    assert "process" not in one.processor
