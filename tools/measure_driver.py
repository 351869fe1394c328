"""What driving a study takes by itself: runs a second and memory, with an executor that has every record at once.

    python -m tools.measure_driver results/embedded 1000
    python -m tools.measure_driver results/embedded 10000

Records are those of the study in the folder, under other names: as large as real ones.
"""

from __future__ import annotations

import argparse
import pickle
import resource
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from bench.commands.live import show_runs
from bench.records.record import Environment, Record
from bench.records.store import load_records
from bench.run.execute import execute
from bench.run.executors.base import Began, Ended, Event, Job, JobEnded
from bench.run.executors.grouping import grouped
from bench.run.worker import SessionSpec
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.recipe import Recipe

SLOTS = 256


class NoWork:
    """An executor whose runs take no time."""

    shares_folder = False
    spec: SessionSpec

    def __init__(self, record: Record) -> None:
        self.record, self._sent = record, pickle.dumps(record)
        self._jobs: deque[Job] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def environment(self, recipe: Recipe) -> Environment:  # noqa: ARG002
        """Of the record."""
        return self.record.environment

    def forecast(self, plan: Sequence[PlannedRun], on_probe: object) -> dict[str, Prediction]:  # noqa: ARG002
        """Nothing."""
        return {}

    def group(
        self, runs: Sequence[PlannedRun], predictions: Mapping[str, Prediction]
    ) -> list[tuple[PlannedRun, ...]]:
        """As a cluster of 256 does."""
        return grouped(runs, predictions, SLOTS)

    def room(self) -> int:
        """As a cluster of 256 has."""
        return 2 * SLOTS - len(self._jobs)

    def submit(self, jobs: Sequence[Job], seen: Mapping[str, Record]) -> None:  # noqa: ARG002
        """Keep them until they are asked for."""
        self._jobs += jobs

    def events(self, timeout_s: float) -> list[tuple[int, Event]]:  # noqa: ARG002
        """Of one job."""
        job = self._jobs.popleft()
        return [(job.number, event) for event in self._of(job)]

    def _of(self, job: Job) -> Iterator[Event]:
        for run in job.runs:
            yield Began(run.run_id)
            named = {"run_id": run.run_id, "recipe_id": run.recipe.id, "recipe": run.recipe}
            record = pickle.loads(self._sent)  # as it comes from another process
            yield Ended(record.model_copy(update=named | {"seed_index": run.seed_index}))
        yield JobEnded()


def measure(n_runs: int, record: Record) -> tuple[float, float, float]:
    """Runs a second, milliseconds of processor time of each, and how much the process has grown, in MB."""
    plan = [PlannedRun(("row",), record.recipe, seed, record.seeds, "todo") for seed in range(n_runs)]
    process = psutil.Process()
    before, began, used = process.memory_info().rss, time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, show_runs(plan, lambda: None, SLOTS) as progress:
        execute(plan, Path(folder), {}, NoWork(record), progress)
    took, used = time.perf_counter() - began, time.process_time() - used
    return n_runs / took, 1e3 * used / n_runs, (process.memory_info().rss - before) / 1e6


def peak_bytes() -> int:
    """The most that this process has had resident so far, whatever it did."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Print a line for each number of runs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, help="folder with the records")
    parser.add_argument("runs", type=int, nargs="+", help="how many, one measurement each")
    given = parser.parse_args()
    record = next((each for each in load_records(given.study).values() if each.status == "done"), None)
    if record is None:
        parser.error(f"{given.study} has no finished run: name the folder of a study")
    for n_runs in given.runs:
        rate, used, grown = measure(n_runs, record)
        print(
            f"{n_runs:,} runs: {rate:.0f} records a second ({1e3 / rate:.1f} ms each, {used:.1f} ms of them of the "
            f"processor); the driver grew by {grown:.0f} MB, to at most {peak_bytes() / 1e6:.0f} MB resident"
        )


if __name__ == "__main__":
    main()
