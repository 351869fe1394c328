"""What a task of Slurm tells, also one that is killed or started again. No process, no Slurm."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from bench.records.record import Record
from bench.records.store import load_records
from bench.run.execute import execute
from bench.run.executors import slurm_task
from bench.run.executors.base import Began, Ended, Event, Job, JobEnded
from bench.run.executors.parcel import Parcel, code_digest
from bench.run.executors.slurm_task import Reader, Task, Teller, Told
from bench.run.worker import SessionSpec
from bench.study.plan import PlannedRun
from gptcore.data.datasets import Dataset
from gptcore.recipe import Recipe, Seeds

RUNS = tuple(PlannedRun(("baseline",), Recipe(), seed, Seeds(), "todo") for seed in range(2))
SPEC = SessionSpec(
    Dataset.from_texts([f"text {i}" for i in range(20)], ["ham", "spam"] * 10), "fast", "float32", "cpu"
)


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told.jsonl"


class Instant:
    """An executor whose runs take no time."""

    shares_folder = False

    def __init__(self, events: Callable[[Job], Iterator[Event]], shares_folder: bool = False) -> None:
        self.of, self.shares_folder, self.jobs = events, shares_folder, list[Job]()

    def group(self, runs: Sequence[PlannedRun], _: object) -> list[tuple[PlannedRun, ...]]:
        return [tuple(runs)]

    def room(self) -> int:
        return 1 - len(self.jobs)

    def submit(self, jobs: Sequence[Job], _: object) -> None:
        self.jobs += jobs

    def events(self, _: float) -> list[tuple[int, Event]]:
        job = self.jobs.pop()
        return [(job.number, event) for event in self.of(job)]


def test_a_task_that_is_started_again_tells_again_and_the_driver_hears_each_run_once(
    told: Path, tmp_path: Path, toy_record: Callable[..., Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    records = {run.run_id: toy_record(seed_index=run.seed_index) for run in RUNS}
    begun: list[str] = []

    def do(job: Job) -> Iterator[Event]:
        for run in job.runs:
            begun.append(run.run_id)
            yield from (Began(run.run_id), Ended(records[run.run_id]))
        yield JobEnded()

    monkeypatch.setattr(slurm_task, "LocalExecutor", lambda *_: nullcontext(Instant(do)))
    (tmp_path / "parcel").write_bytes(pickle.dumps(Parcel(SPEC, {}, code_digest())))

    def twice(job: Job) -> Iterator[Event]:
        task = Task(tmp_path / "parcel", told, tmp_path, job, {}, None)
        reader = Reader(told)
        for _ in range(2):
            assert task() is None
            for each in reader.more():
                yield Began(each.run_id) if each.kind == "began" else Ended(records[each.run_id])
        yield JobEnded()

    heard = Teller(tmp_path / "heard.jsonl")
    done = execute(RUNS, tmp_path, {}, Instant(twice, shares_folder=True), heard)  # type: ignore[arg-type]
    names = [run.run_id for run in RUNS]
    assert list(done) == sorted(load_records(tmp_path)) == begun == names
    assert [each.kind for each in Reader(told).more()] == ["began", "ended"] * 2 + ["ended"] * 2
    assert [each.kind for each in Reader(heard.path).more()] == ["began", "ended"] * 2


@pytest.mark.parametrize(
    "torn", [b'["began", "a', b"\xff", b'["no such kind", "a", null]\n', b'null\n["began"]\n']
)
def test_what_a_killed_task_had_begun_to_write_is_skipped(told: Path, torn: bytes) -> None:
    reader = Reader(told)
    assert reader.more() == []
    told.write_bytes(torn)
    assert reader.more() == []
    Teller(told).start(RUNS[0])
    assert reader.more() == [Told("began", RUNS[0].run_id)]
    assert reader.more() == []
