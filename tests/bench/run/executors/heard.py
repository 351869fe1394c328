"""A listener for tests."""

from collections.abc import Callable, Sequence

from bench.records.record import Record
from bench.study.plan import PlannedRun
from gptcore.result import Epoch


class Heard:
    """A listener that keeps what it hears, and does something at epochs."""

    def __init__(self, at_epoch: Callable[[Epoch], object] = lambda _: None) -> None:
        self.at_epoch, self.said = at_epoch, list[str]()

    def start(self, run: PlannedRun) -> None:
        self.said.append(f"start {run.run_id}")

    def epoch(self, run: PlannedRun, epoch: Epoch) -> None:
        self.said.append(f"epoch {run.run_id}")
        self.at_epoch(epoch)

    def end(self, run: PlannedRun, record: Record) -> None:
        self.said.append(f"{record.status} {run.run_id}")

    def retry(self, run: PlannedRun, reason: str) -> None:
        self.said.append(f"retry {run.run_id}: {reason}")

    def refuse(self, run: PlannedRun, reason: str) -> None:
        self.said.append(f"refuse {run.run_id}: {reason}")

    def wait(self, runs: Sequence[PlannedRun]) -> None: ...
    def seed(self, seed_index: int) -> None: ...
