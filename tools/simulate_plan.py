"""How long a large plan takes on many workers, from the measured phase times of a small one. Runs nothing.

    python -m tools.simulate_plan results/embedded --runs 100000 --workers 256

The plan is the study in the folder, over and over: each copy stands for another data set, model or trial. Each of its
runs takes the phases that its record has. Jobs are made as `run --executor ray` makes them, and go to whichever worker
is free. One process saves the records, one after the other, as the driver does.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.records.record import Record
from bench.records.store import load_records
from bench.run.executors.grouping import trunk_of
from bench.study.plan import PlannedRun

DRIVER_S = 0.0029  # of the driver for each record, on a quiet machine: see docs/scale.md
START_S = 5.0  # until a worker has loaded torch


@dataclass(frozen=True)
class Job:
    """Runs of one worker. own_s: of each run without its trunk; trunks_s: of the whole trunk of each."""

    own_s: tuple[float, ...]
    trunks_s: tuple[float, ...]

    @property
    def trunk_s(self) -> float:
        """Of the deepest one, which all others are part of."""
        return max(self.trunks_s)

    @property
    def seconds(self) -> float:
        """From its start to its end."""
        return sum(self.own_s) + self.trunk_s

    @property
    def apart_s(self) -> float:
        """Of its runs, if each computed its own trunk."""
        return sum(self.own_s) + sum(self.trunks_s)

    def times(self, factor: float) -> Job:
        """The same, slower."""
        return Job(tuple(factor * s for s in self.own_s), tuple(factor * s for s in self.trunks_s))


@dataclass(frozen=True)
class Outcome:
    """makespan_s: until the last record is saved; busy: share of the workers' time; driver: share of the driver's."""

    makespan_s: float
    busy: float
    driver: float


def jobs_of(records: Iterable[Record]) -> list[Job]:
    """The jobs of one copy: runs that share a trunk are one, all others are alone."""
    groups: dict[object, list[Record]] = {}
    for record in records:
        if record.cost is not None:
            run = PlannedRun((), record.recipe, record.seed_index, record.seeds, "todo")
            groups.setdefault(trunk_of(run) or record.run_id, []).append(record)
    return [Job(tuple(map(_own_s, group)), tuple(map(_trunk_s, group))) for group in groups.values()]


def simulate(jobs: Sequence[Job], workers: int, driver_s: float = DRIVER_S) -> Outcome:
    """Jobs in this order, each to the worker that is free first; records are saved in the order of their ends."""
    free = [START_S] * workers
    ends: list[float] = []
    for job in jobs:
        at = heapq.heappop(free) + job.trunk_s
        for seconds in job.own_s:
            at += seconds
            ends.append(at)
        heapq.heappush(free, at)
    saved = 0.0
    for end in sorted(ends):
        saved = max(saved, end) + driver_s
    busy = sum(job.seconds for job in jobs) / (workers * saved)
    return Outcome(saved, busy, len(ends) * driver_s / saved)


def lower_bound_s(jobs: Sequence[Job], workers: int) -> float:
    """No schedule of these jobs is shorter: all workers busy all the time, or the longest job alone."""
    return START_S + max(sum(job.seconds for job in jobs) / workers, max(job.seconds for job in jobs))


def _own_s(record: Record) -> float:
    assert record.cost is not None
    return record.cost.marginal_s - record.cost.phases.get("trunk", 0.0)


def _trunk_s(record: Record) -> float:
    """Of the whole trunk, whoever computed it."""
    assert record.cost is not None
    return record.cost.standalone_s - _own_s(record)


def main() -> None:
    """Print a table: the plan's own order, and the longest jobs first."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=256)
    parser.add_argument(
        "--driver-s",
        type=float,
        default=DRIVER_S,
        help="seconds of the driver for each record; default: as measured on a quiet machine",
    )
    parser.add_argument("--times", type=float, default=1.0, help="runs take so many times as long")
    asked = parser.parse_args()
    records: Mapping[str, Record] = load_records(asked.study)
    one = [job.times(asked.times) for job in jobs_of(records.values())]
    n = sum(len(job.own_s) for job in one)
    if not n:
        parser.error(
            f"{asked.study} has no record of a run with its times: name the folder of a finished study"
        )
    copies = -(-asked.runs // n)
    jobs = one * copies
    shared, apart = (sum(map(of_job, jobs)) for of_job in (lambda job: job.seconds, lambda job: job.apart_s))
    print(f"{n * copies:,} runs ({copies:,} copies of {n}), {len(jobs):,} jobs, {asked.workers} workers")
    print(f"compute {shared / 3600:.1f} h, {1 - shared / apart:.0%} saved by sharing trunks")
    bound = lower_bound_s(jobs, asked.workers)
    print(f"lower bound {bound:.0f} s")
    for name, order in (("plan", jobs), ("longest first", sorted(jobs, key=lambda job: -job.seconds))):
        found = simulate(order, asked.workers, asked.driver_s)
        print(
            f"{name}: {found.makespan_s:.0f} s ({found.makespan_s / bound:.3f} of the bound), workers "
            f"{found.busy:.0%} busy, driver {found.driver:.0%}"
        )


if __name__ == "__main__":
    main()
