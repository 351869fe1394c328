"""Jobs as a job array of Slurm, through submitit. The study's folder is shared; its tasks claim runs there themselves.

What a task tells lies in `slurm/` in the study's folder, beside what submitit keeps there. Imports no torch.
"""

from __future__ import annotations

import pickle
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.records.record import Environment, Record
from bench.records.store import find_record
from bench.run.executors.base import (
    Began,
    CannotWork,
    Ended,
    EpochEnded,
    Event,
    Job,
    JobEnded,
    JobLost,
    OutOfMemory,
    Refused,
    Retried,
)
from bench.run.executors.grouping import grouped
from bench.run.executors.parcel import Parcel, code_digest
from bench.run.executors.slurm_settings import (
    AT_A_TIME,
    asks_for_gpu,
    parse_settings,
    submitit_parameters,
    with_more_memory,
)
from bench.run.executors.slurm_task import Reader, Task, Told
from bench.run.outcome import NO_MEMORY
from bench.run.worker import SessionSpec
from bench.study.forecast import Prediction
from bench.study.plan import PlannedRun
from gptcore.errors import UserError
from gptcore.extras import require
from gptcore.files import write_whole
from gptcore.recipe import Recipe
from gptcore.result import Epoch

FOLDER = "slurm"  # in the study's
KILLED_BY_MEMORY = "OUT_OF_MEMORY"  # a state of Slurm's
LARGEST_ARRAY = 1000  # Slurm's own limit, unless a site has changed it
POLL_S = 0.2


class Slurm:
    """A Slurm cluster, as seen from a machine that may submit jobs."""

    sharing = False

    def __init__(self, settings: Sequence[str], cluster: str = "slurm") -> None:
        """settings: KEY=VALUE, see `parse_settings`; cluster: submitit's name. Raises UserError."""
        require("submitit", "--executor slurm", "slurm")
        self.settings = parse_settings(settings)
        self.cluster = cluster
        if cluster != "slurm":
            return
        if shutil.which("sbatch") is None:
            raise UserError(
                "--executor slurm: there is no sbatch on this machine: start from one that has it"
            )
        from bench.run.executors.slurm_queue import ask_the_queue

        ask_the_queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def has_cuda(self) -> bool | None:
        """Whether tasks ask for a GPU; where they do not, their partition may still give them one."""
        return asks_for_gpu(self.settings) or None

    def free_bytes(self, device: str) -> int:  # noqa: ARG002 (the protocol's)
        """As much as tasks ask for."""
        asked = self.settings.get("mem_gb")
        return int(asked * 2**30) if isinstance(asked, int | float) else sys.maxsize

    def n_jobs(self, asked: str, recipes: Iterable[Recipe], device: str) -> int:  # noqa: ARG002
        """As many tasks as may go at a time."""
        if asked not in ("1", "auto"):
            raise UserError(
                f"--jobs {asked}: with --executor slurm it is --slurm array_parallelism={asked}: leave it out"
            )
        return int(self.settings.get("array_parallelism", AT_A_TIME))

    def threads(self, jobs: int) -> int | None:  # noqa: ARG002 (the protocol's)
        """As many as a task asks for."""
        return int(self.settings.get("cpus_per_task", 1))

    def open(self, spec: SessionSpec, folder: Path, timeout_s: float | None) -> SlurmExecutor:
        """An executor whose tasks write to that folder."""
        return SlurmExecutor(self, spec, folder, timeout_s)


@dataclass
class _Flight:
    """A job that is submitted, and its file. task: submitit's."""

    job: Job
    task: Any
    reader: Reader


class SlurmExecutor:
    """Jobs as tasks of job arrays. A task that is preempted is queued again, and finds what it has done."""

    shares_folder = True

    def __init__(self, site: Slurm, spec: SessionSpec, folder: Path, timeout_s: float | None) -> None:
        self.spec, self.timeout_s = spec, timeout_s
        self.folder = folder.resolve()
        self._at_a_time = spec.jobs
        where = self.folder / FOLDER
        self._cluster, self._settings = site.cluster, site.settings
        self._name = uuid.uuid4().hex[:12]  # of what this process leaves in the folder
        self._where = where
        self._parcel: Path | None = None
        self._flying: dict[int, _Flight] = {}
        self._not_taken: list[tuple[int, Event]] = []
        self._submitit = self._with(site.settings)

    def _with(self, settings: Mapping[str, Any]) -> Any:
        """Submitit's executor with these settings. Raises UserError for those that it does not know."""
        import submitit

        made = submitit.AutoExecutor(folder=self._where / "%j", cluster=self._cluster)
        try:
            made.update_parameters(**submitit_parameters(settings))
        except (TypeError, ValueError, NameError, AssertionError) as error:
            first, *_ = str(error).splitlines()  # others list what there is
            raise UserError(f"--slurm: {first}") from error
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for flight in self._flying.values():
            with suppress(Exception):  # it may have ended by now; submitit says so in many ways
                flight.task.cancel()
        if self._parcel is not None:
            self._parcel.unlink(missing_ok=True)

    def environment(self, recipe: Recipe) -> Environment | None:  # noqa: ARG002 (the protocol's)
        """Not known before a task runs."""
        return None

    def forecast(
        self,
        plan: Sequence[PlannedRun],  # noqa: ARG002 (the protocol's)
        on_probe: Callable[[int, int], None],  # noqa: ARG002
    ) -> dict[str, Prediction]:
        """Nothing: this machine is not the one that will do the runs."""
        return {}

    def group(
        self, runs: Sequence[PlannedRun], predictions: Mapping[str, Prediction]
    ) -> list[tuple[PlannedRun, ...]]:
        """Runs that share a trunk are a task, so that it is computed once."""
        return grouped(runs, predictions, self._at_a_time)

    def room(self) -> int:
        """As many as one array takes: Slurm has them wait. While one is out, as many as may go at a time.

        Each array's limit is its own, so that many small ones beside a large one would pass it.
        """
        return (self._at_a_time if self._flying else LARGEST_ARRAY) - len(self._flying)

    def submit(self, jobs: Sequence[Job], seen: Mapping[str, Record]) -> None:
        """One array, and one of those that are to have more memory. Raises UserError where Slurm does not take it.

        More memory than there is must not end the study: such jobs are lost.
        """
        if first := [job for job in jobs if not job.more_memory]:
            self._submit(first, seen, self._submitit)
        if again := [job for job in jobs if job.more_memory]:
            try:
                self._submit(again, seen, self._with(with_more_memory(self._settings)))
            except UserError as error:
                lost = JobLost(
                    f"{NO_MEMORY}, and no job with more can be submitted ({error})", out_of_memory=True
                )
                self._not_taken += [(job.number, lost) for job in again]

    def _submit(self, jobs: Sequence[Job], seen: Mapping[str, Record], to: Any) -> None:
        if self._parcel is None:
            self._parcel = self._where / f"{self._name}.pkl"
            write_whole(self._parcel, pickle.dumps(Parcel(self.spec, {}, code_digest())))
        tasks = [
            Task(
                *(self._parcel, self._where / f"{self._name}-{job.number}.jsonl", self.folder, job),
                {run.run_id: seen[run.run_id] for run in job.runs if run.run_id in seen},
                self.timeout_s,
            )
            for job in jobs
        ]
        try:
            with to.batch():
                submitted = [to.submit(task) for task in tasks]
        except RuntimeError as error:  # submitit's own, with what sbatch has said
            said = (str(error).splitlines() or ["it does not say why"])[-1]
            raise UserError(
                f"--executor slurm: Slurm takes no jobs ({said}): change --slurm, or try again"
            ) from error
        for task, job, of_slurm in zip(tasks, jobs, submitted, strict=True):
            self._flying[job.number] = _Flight(job, of_slurm, Reader(task.told))

    def events(self, timeout_s: float) -> list[tuple[int, Event]]:
        """What tasks have written since the last call, and which have ended."""
        until = time.monotonic() + timeout_s
        while not (found := self._news()) and time.monotonic() < until:
            time.sleep(POLL_S)
        return found

    def _news(self) -> list[tuple[int, Event]]:
        found, self._not_taken = self._not_taken, []
        for number, flight in list(self._flying.items()):
            ended = flight.task.done()  # before its file is read, so that nothing of it is missed
            found += [(number, self._event(told)) for told in flight.reader.more()]
            if ended:
                found.append((number, _end(flight.task)))
                flight.reader.path.unlink(missing_ok=True)
                del self._flying[number]
        return found

    def _event(self, told: Told) -> Event:
        if told.kind == "began":
            return Began(told.run_id)
        if told.kind == "epoch":
            return EpochEnded(told.run_id, Epoch.model_validate(told.what))
        if told.kind == "retried":
            return Retried(told.run_id, told.what)
        if told.kind == "no_memory":
            return OutOfMemory(told.run_id, told.what)
        if told.kind == "refused":
            return Refused(told.run_id, told.what)
        record = find_record(self.folder, told.run_id)
        return CannotWork(f"the record of {told.run_id} is gone") if record is None else Ended(record)


def _end(task: Any) -> Event:
    """What the end of a submitit job means."""
    if task.exception() is not None:
        state = task.state.partition(" ")[0]  # "CANCELLED by" is followed by somebody's number
        reason = f"its Slurm job ended before it did (state {state}): its log is in {FOLDER}/ in the study's folder"
        return JobLost(reason, out_of_memory=state == KILLED_BY_MEMORY)
    error = task.result()
    return JobEnded() if error is None else CannotWork(error)
