"""What runs inside a Slurm job: it claims its runs in the study's folder, does them there, and tells of it in a file.

Imports no torch: a process below this one computes.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from bench.records.lines import LineReader
from bench.records.record import Record
from bench.run.execute import execute
from bench.run.executors.base import Job
from bench.run.executors.local import LocalExecutor
from bench.run.executors.parcel import Parcel, code_digest
from bench.run.outcome import RefusedRunError
from bench.study.plan import PlannedRun
from gptcore.errors import UserError
from gptcore.result import Epoch

Kind = Literal["began", "epoch", "ended", "retried", "no_memory", "refused"]


@dataclass(frozen=True)
class Told:
    """A line of a task's file. what: an epoch's fields, or a reason."""

    kind: Kind
    run_id: str
    what: Any = None


@dataclass(frozen=True)
class Task:
    """One job, callable in another process. parcel, told: files in the shared folder; seen: the plan's records.

    checkpoint: what submitit asks for when Slurm preempts the job; the records that are there are its state.
    """

    parcel: Path
    told: Path
    folder: Path
    job: Job
    seen: Mapping[str, Record]
    timeout_s: float | None

    def __call__(self) -> str | None:
        """Do the job; returns an error that the user has to fix, if there was one.

        A run that lacks memory gets no more in here: it is left for a job with more, or fails where this is that job.
        """
        parcel: Parcel = pickle.loads(self.parcel.read_bytes())
        if parcel.code != code_digest():
            return "the code of this project has changed since the job was submitted: run the study again"
        try:
            with LocalExecutor(replace(parcel.spec, jobs=1), self.timeout_s) as executor:
                teller, last = Teller(self.told), self.job.more_memory
                execute(
                    *(self.job.runs, self.folder, self.seen, executor, teller),
                    patient=False,
                    memory_tries=1,
                    lacks_memory=None if last else teller.no_memory,
                )
        except RefusedRunError:
            return None  # it has been told
        except UserError as error:
            return str(error)
        return None

    def checkpoint(self) -> Any:
        """The same again."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


class Teller:
    """A listener that appends a line for everything that it hears.

    Each begins with a newline: whoever was killed while it wrote spoils its own line alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, run: PlannedRun) -> None:
        self._tell("began", run)

    def epoch(self, run: PlannedRun, epoch: Epoch) -> None:
        self._tell("epoch", run, epoch.model_dump(mode="json"))

    def end(self, run: PlannedRun, record: Record) -> None:  # noqa: ARG002 (it is in its file)
        self._tell("ended", run)

    def retry(self, run: PlannedRun, reason: str) -> None:
        self._tell("retried", run, reason)

    def no_memory(self, run: PlannedRun, reason: str) -> None:
        """A run is left without a record."""
        self._tell("no_memory", run, reason)

    def refuse(self, run: PlannedRun, reason: str) -> None:
        self._tell("refused", run, reason)

    def wait(self, runs: Sequence[PlannedRun]) -> None: ...
    def seed(self, seed_index: int) -> None: ...

    def _tell(self, kind: Kind, run: PlannedRun, what: Any = None) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps([kind, run.run_id, what]) + "\n")


class Reader:
    """Reads a task's file as it grows."""

    def __init__(self, path: Path) -> None:
        self.path, self._lines = path, LineReader(path)

    def more(self) -> list[Told]:
        """What is new in whole lines; what a killed task had begun to write is left out."""
        return [told for line in self._lines.more() if (told := _told(line)) is not None]


def _told(line: bytes) -> Told | None:
    try:
        kind, run_id, what = json.loads(line)
    except (ValueError, TypeError):
        return None
    return Told(kind, run_id, what) if kind in get_args(Kind) else None
